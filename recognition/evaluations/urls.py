from django.urls import path

from recognition.evaluations import views

urlpatterns = [
    path("evaluations", views.evaluations, name="evaluations"),
    path("evaluations/compare", views.compare, name="compare-evaluations"),
    path("evaluations/<uuid:pk>/", views.evaluation, name="evaluation"),
]
