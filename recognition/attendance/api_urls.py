from django.urls import path

from recognition.attendance.api import AttendanceCsvView, AttendanceView, CorrectionsView, CorrectionView

urlpatterns = [
    path("galleries/<slug:slug>/attendance", AttendanceView.as_view(), name="attendance"),
    path("galleries/<slug:slug>/attendance.csv", AttendanceCsvView.as_view(), name="attendance-csv"),
    path("attendance-corrections", CorrectionsView.as_view(), name="attendance-corrections"),
    path("attendance-corrections/<uuid:pk>", CorrectionView.as_view(), name="attendance-correction"),
]
