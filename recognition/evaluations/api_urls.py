from django.urls import path

from recognition.evaluations.api import EvaluationViewSet

urlpatterns = [
    path("evaluations", EvaluationViewSet.as_view({"get": "list"}), name="evaluation-list"),
    path("evaluations/<uuid:pk>", EvaluationViewSet.as_view({"get": "retrieve"}), name="evaluation-detail"),
]
