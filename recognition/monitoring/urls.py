from django.urls import path

from recognition.monitoring import views

urlpatterns = [
    path("metrics", views.metrics, name="metrics"),
    path("system", views.system, name="system"),
]
