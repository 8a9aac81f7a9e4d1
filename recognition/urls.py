from django.urls import include, path

urlpatterns = [
    path("", include("recognition.photos.urls")),
    path("", include("recognition.imports.urls")),
    path("", include("recognition.privacy.urls")),
    path("", include("recognition.health.urls")),
    path("", include("recognition.calibration.urls")),
    path("", include("recognition.reembedding.urls")),
    path("", include("recognition.evaluations.urls")),
    path("", include("recognition.cameras.urls")),
    path("", include("recognition.attendance.urls")),
    path("", include("recognition.alerts.urls")),
    path("", include("recognition.sightings.urls")),
    path("", include("recognition.monitoring.urls")),
    path("", include("recognition.kiosks.urls")),
    path("", include("recognition.finding.urls")),
    path("", include("recognition.gallery_settings.urls")),
    path("", include("recognition.today.urls")),
]
