from django.apps import AppConfig


class AttendanceConfig(AppConfig):
    name = "recognition.attendance"
    label = "attendance"
    verbose_name = "Attendance"
    sections = dict.fromkeys(("attendance", "attendance-month", "attendance-person"), "attendance")
