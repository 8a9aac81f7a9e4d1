from django.urls import path

from recognition.calibration import views

urlpatterns = [
    path("galleries/<slug:slug>/calibration", views.calibration, name="calibration"),
    path("galleries/<slug:slug>/calibration/measure", views.measure, name="measure-calibration"),
    path("galleries/<slug:slug>/calibration/apply", views.apply, name="apply-calibration"),
    path("galleries/<slug:slug>/calibration/by-size", views.by_size, name="threshold-by-size"),
]
