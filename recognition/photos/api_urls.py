from django.urls import path

from faceplatform.web.actions import COLLECTION, READ_AND_DELETE
from recognition.photos.api import (
    ConfirmFaceView,
    IdentitySamplesView,
    NameFaceView,
    PackViewSet,
    RecognitionViewSet,
    RejectFaceView,
)

FACE = "recognitions/<uuid:pk>/faces/<int:index>"

urlpatterns = [
    path("identities/<uuid:pk>/samples", IdentitySamplesView.as_view(), name="identity-samples"),
    path("recognitions", RecognitionViewSet.as_view(COLLECTION), name="recognition-list"),
    path("recognitions/<uuid:pk>", RecognitionViewSet.as_view(READ_AND_DELETE), name="recognition-detail"),
    path(
        "recognitions/<uuid:pk>/annotated.jpg",
        RecognitionViewSet.as_view({"get": "annotated"}, answers_with=("image/jpeg",)),
        name="recognition-annotated",
    ),
    path(f"{FACE}/reject", RejectFaceView.as_view(), name="recognition-face-reject"),
    path(f"{FACE}/confirm", ConfirmFaceView.as_view(), name="recognition-face-confirm"),
    path(f"{FACE}/name", NameFaceView.as_view(), name="recognition-face-name"),
    path("packs", PackViewSet.as_view({"get": "list"}), name="pack-list"),
    path("packs/<str:name>", PackViewSet.as_view({"get": "retrieve"}), name="pack-detail"),
]
