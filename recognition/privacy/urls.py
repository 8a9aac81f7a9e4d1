from django.urls import path

from recognition.privacy import views

urlpatterns = [
    path("galleries/<slug:slug>/privacy", views.privacy, name="privacy"),
    path("galleries/<slug:slug>/delete", views.delete_gallery, name="delete-gallery"),
    path("galleries/<slug:slug>/delete/undo", views.undo_gallery_deletion, name="undo-gallery-deletion"),
    path("galleries/<slug:slug>/people/<uuid:pk>/export", views.export, name="export-subject"),
    path("galleries/<slug:slug>/people/<uuid:pk>/erase", views.erase, name="erase-subject"),
    path("erasures/<uuid:pk>/", views.erasure, name="erasure"),
]
