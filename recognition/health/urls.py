from django.urls import path

from recognition.health import views

urlpatterns = [
    path("galleries/<slug:slug>/health", views.health, name="health"),
    path("galleries/<slug:slug>/health/look-again", views.look_again, name="look-again"),
    path("galleries/<slug:slug>/health/<uuid:pk>/<slug:action>", views.fix, name="fix-finding"),
]
