from django.urls import include, path

urlpatterns = [
    path("", include("recognition.photos.api_urls")),
    path("", include("recognition.analysis.api_urls")),
    path("", include("recognition.imports.api_urls")),
    path("", include("recognition.privacy.api_urls")),
    path("", include("recognition.health.api_urls")),
    path("", include("recognition.calibration.api_urls")),
    path("", include("recognition.reembedding.api_urls")),
    path("", include("recognition.evaluations.api_urls")),
    path("", include("recognition.cameras.api_urls")),
    path("", include("recognition.sightings.api_urls")),
    path("", include("recognition.compreface.api_urls")),
    path("", include("recognition.attendance.api_urls")),
    path("", include("recognition.alerts.api_urls")),
    path("", include("recognition.kiosks.api_urls")),
]
