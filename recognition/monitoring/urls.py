from django.urls import path

from recognition.monitoring import views

urlpatterns = [
    path("system", views.system, name="system"),
]
