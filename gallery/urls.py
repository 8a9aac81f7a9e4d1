from django.urls import path

from gallery import views

urlpatterns = [
    path("", views.home, name="home"),
    path("galleries/new", views.create_gallery, name="create-gallery"),
    path("galleries/<slug:slug>/", views.dashboard, name="dashboard"),
    path("galleries/<slug:slug>/people/<uuid:pk>/", views.identity, name="identity"),
    path("galleries/<slug:slug>/people/<uuid:pk>/delete", views.delete_identity, name="delete-identity"),
    path("samples/<uuid:pk>/delete", views.delete_sample, name="delete-sample"),
]
