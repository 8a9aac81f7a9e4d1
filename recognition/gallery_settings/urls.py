from django.urls import path

from recognition.gallery_settings import members_views, views

SETTINGS = "galleries/<slug:slug>/settings"

urlpatterns = [
    path(SETTINGS, views.general, name="gallery-settings"),
    path(f"{SETTINGS}/recognition", views.recognition, name="recognition-settings"),
    path(f"{SETTINGS}/members", members_views.members, name="members"),
    path(f"{SETTINGS}/members/<uuid:pk>/role", members_views.set_role, name="member-role"),
    path(f"{SETTINGS}/members/<uuid:pk>/remove", members_views.remove, name="remove-member"),
]
