"""CompreFace's addresses, under /api/v1/.

A slash at the end is accepted, because its documentation writes some that way; at the end of a subject's address, though, it
is part of the name.
"""

from django.urls import re_path

from recognition.compreface import api, collection_api, embeddings_api

ADDRESSES = {
    "recognition/recognize": api.RecognizeView,
    "detection/detect": api.DetectView,
    "verification/verify": api.VerifyView,
    "recognition/subjects": collection_api.SubjectsView,
    "recognition/subjects/(?P<subject>(?s:.+))": collection_api.SubjectView,
    "recognition/faces": collection_api.FacesView,
    "recognition/faces/delete": collection_api.DeleteFacesView,
    "recognition/faces/(?P<image_id>[^/]+)": collection_api.FaceView,
    "recognition/faces/(?P<image_id>[^/]+)/img": collection_api.FaceImageView,
    "recognition/faces/(?P<image_id>[^/]+)/verify": api.VerifyFaceView,
    "recognition/embeddings/recognize": embeddings_api.RecognizeEmbeddingsView,
    "recognition/embeddings/faces/(?P<image_id>[^/]+)/verify": embeddings_api.VerifyEmbeddingsView,
    "verification/embeddings/verify": embeddings_api.VerifyTwoEmbeddingsView,
}

urlpatterns = [
    re_path(f"^{address}/?$", view.as_view(), name=f"compreface-{view.__name__}") for address, view in ADDRESSES.items()
]
