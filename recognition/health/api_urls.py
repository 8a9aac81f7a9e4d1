from django.urls import path

from recognition.health.api import DismissFindingView, FindingsView, HealthView, RestoreFindingView

urlpatterns = [
    path("galleries/<slug:slug>/health", HealthView.as_view(), name="health"),
    path("galleries/<slug:slug>/health/findings", FindingsView.as_view(), name="health-findings"),
    path("health-findings/<uuid:pk>/dismiss", DismissFindingView.as_view(), name="dismiss-finding"),
    path("health-findings/<uuid:pk>/restore", RestoreFindingView.as_view(), name="restore-finding"),
]
