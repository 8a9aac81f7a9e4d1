from django.urls import path

from recognition.privacy.api import DeletionView, ErasureViewSet, RetentionView, SubjectErasureView, SubjectExportView

urlpatterns = [
    path("galleries/<slug:slug>/deletion", DeletionView.as_view(), name="gallery-deletion"),
    path("galleries/<slug:slug>/retention", RetentionView.as_view(), name="gallery-retention"),
    path("identities/<uuid:pk>/export", SubjectExportView.as_view(), name="identity-export"),
    path("identities/<uuid:pk>/erasure", SubjectErasureView.as_view(), name="identity-erasure"),
    path("erasures", ErasureViewSet.as_view({"get": "list"}), name="erasure-list"),
    path("erasures/<uuid:pk>", ErasureViewSet.as_view({"get": "retrieve"}), name="erasure-detail"),
]
