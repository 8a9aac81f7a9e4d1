from django.urls import path

from recognition.calibration.api import ApplyCalibrationView, CalibrationView

urlpatterns = [
    path("galleries/<slug:slug>/calibration", CalibrationView.as_view(), name="calibration"),
    path("galleries/<slug:slug>/calibration/apply", ApplyCalibrationView.as_view(), name="apply-calibration"),
]
