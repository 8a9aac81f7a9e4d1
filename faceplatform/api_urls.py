"""URLs below /api/v1/: each app brings its own."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from faceplatform.web.version import VersionView

app_name = "api"

urlpatterns = [
    path("", include("accounts.api_urls")),
    path("", include("gallery.api_urls")),
    path("", include("recognition.api_urls")),
    path("version", VersionView.as_view(), name="version"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
]
