from django.urls import path

from faceplatform.web.actions import COLLECTION
from recognition.reembedding.api import ReEmbeddingViewSet

urlpatterns = [
    path("galleries/<slug:slug>/reembeddings", ReEmbeddingViewSet.as_view(COLLECTION), name="reembedding-list"),
    *(
        path(
            f"galleries/<slug:slug>/{address}", ReEmbeddingViewSet.as_view({method: action}), name=f"reembedding-{name}"
        )
        for address, method, action, name in (
            ("reembeddings/<uuid:pk>", "get", "retrieve", "detail"),
            ("reembeddings/<uuid:pk>/preview", "get", "preview", "preview"),
            ("reembeddings/<uuid:pk>/cut-over", "post", "cut_over", "cut-over"),
            ("reembeddings/<uuid:pk>/stop", "post", "stop", "stop"),
            ("pack/back", "post", "back", "back"),
            ("pack/forget-old", "post", "forget_old", "forget-old"),
        )
    ),
]
