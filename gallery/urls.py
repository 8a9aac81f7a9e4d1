from django.urls import path

from gallery import views
from gallery.curation import views as curation_views

urlpatterns = [
    path("welcome", views.welcome, name="welcome"),
    path("galleries/", views.galleries, name="galleries"),
    path("galleries/new", views.create_gallery, name="create-gallery"),
    path("galleries/<slug:slug>/", views.dashboard, name="dashboard"),
    path("galleries/<slug:slug>/people/", views.people),
    path("galleries/<slug:slug>/people/<uuid:pk>/", views.identity, name="identity"),
    path("galleries/<slug:slug>/people/<uuid:pk>/looks", views.who_looked, name="who-looked"),
    path("galleries/<slug:slug>/people/<uuid:pk>/consent", views.note_consent, name="identity-consent"),
    path("galleries/<slug:slug>/people/<uuid:pk>/delete", views.delete_identity, name="delete-identity"),
    *(
        path(f"galleries/<slug:slug>/people/<uuid:pk>/{action}", view, name=f"{action}-identity")
        for action, view in (
            ("split", curation_views.split),
            ("move", curation_views.move),
            ("reject", curation_views.reject),
            ("delete-samples", curation_views.delete_samples),
            ("merge", curation_views.merge),
            ("choices", curation_views.choices),
        )
    ),
    path("undo/<uuid:pk>", curation_views.undo, name="undo"),
]
