from django.urls import path

from recognition.analysis.api import ComparisonViewSet, DetectionViewSet, EmbeddingViewSet, SearchView

urlpatterns = [
    path("detections", DetectionViewSet.as_view({"post": "create"}), name="detection-list"),
    path("detections/<uuid:pk>", DetectionViewSet.as_view({"get": "retrieve"}), name="detection-detail"),
    path("embeddings", EmbeddingViewSet.as_view({"post": "create"}), name="embedding-list"),
    path("embeddings/<uuid:pk>", EmbeddingViewSet.as_view({"get": "retrieve"}), name="embedding-detail"),
    path("comparisons", ComparisonViewSet.as_view({"post": "create"}), name="comparison-list"),
    path("comparisons/<uuid:pk>", ComparisonViewSet.as_view({"get": "retrieve"}), name="comparison-detail"),
    path("searches", SearchView.as_view(), name="search"),
]
