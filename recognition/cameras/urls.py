from django.urls import path

from recognition.cameras import views

urlpatterns = [
    path("galleries/<slug:slug>/cameras/", views.cameras, name="cameras"),
    path("galleries/<slug:slug>/cameras/states", views.states, name="camera-states"),
    path("galleries/<slug:slug>/cameras/new", views.add, name="add-camera"),
    path("galleries/<slug:slug>/cameras/try", views.try_, name="try-camera"),
    path("galleries/<slug:slug>/cameras/<uuid:pk>/", views.camera, name="camera"),
    path("galleries/<slug:slug>/cameras/<uuid:pk>/settings", views.settings, name="camera-settings"),
    path("galleries/<slug:slug>/cameras/<uuid:pk>/switch", views.switch, name="switch-camera"),
    path("galleries/<slug:slug>/cameras/<uuid:pk>/delete", views.delete, name="delete-camera"),
    path("galleries/<slug:slug>/cameras/<uuid:pk>/webcam", views.webcam, name="camera-webcam"),
]
