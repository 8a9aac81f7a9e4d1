"""All URLs: pages, API, admin site, health."""

from django.contrib import admin
from django.urls import include, path

from faceplatform.web import views

urlpatterns = [
    path("api/v1/", include("faceplatform.api_urls")),
    path("", include("accounts.urls")),
    path("", include("gallery.urls")),
    path("", include("recognition.urls")),
    path("admin/", admin.site.urls),
    path("health/live", views.live, name="live"),
    path("favicon.ico", views.favicon, name="favicon"),
]
handler400 = "faceplatform.web.views.bad_request"
handler403 = "faceplatform.web.views.not_allowed"
handler404 = "faceplatform.web.views.not_found"
handler500 = "faceplatform.web.views.server_error"
