from django.urls import path

from faceplatform.web.actions import COLLECTION
from recognition.imports.api import ImportViewSet

urlpatterns = [
    path("imports", ImportViewSet.as_view(COLLECTION), name="import-list"),
    path("imports/<uuid:pk>", ImportViewSet.as_view({"get": "retrieve"}), name="import-detail"),
    path("imports/<uuid:pk>/stop", ImportViewSet.as_view({"post": "stop"}), name="import-stop"),
    path("imports/<uuid:pk>/resume", ImportViewSet.as_view({"post": "resume"}), name="import-resume"),
    path(
        "imports/<uuid:pk>/report.csv",
        ImportViewSet.as_view({"get": "report"}, answers_with=("text/csv",)),
        name="import-report",
    ),
]
