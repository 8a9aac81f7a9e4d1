from django.urls import path

from faceplatform.web.actions import COLLECTION
from recognition.kiosks.api import KioskViewSet

urlpatterns = [
    path("cameras/<uuid:pk>/kiosks", KioskViewSet.as_view(COLLECTION), name="kiosk-list"),
    path("kiosks/<uuid:pk>", KioskViewSet.as_view({"delete": "destroy"}), name="kiosk-detail"),
]
