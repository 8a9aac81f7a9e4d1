from django.apps import AppConfig


class AttendanceConfig(AppConfig):
    name = "recognition.attendance"
    label = "attendance"
    verbose_name = "Attendance"
    sections: dict[str, str] = {}
