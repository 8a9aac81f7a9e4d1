from django.urls import path, register_converter
from django.urls.converters import StringConverter

from gallery import person_views, views
from gallery.bulk import views as bulk_views
from gallery.curation import views as curation_views


class BulkConverter(StringConverter):
    regex = "inactive|active|hide|show|department|consent|merge|move|delete|export"


register_converter(BulkConverter, "bulk")
PERSON = "galleries/<slug:slug>/people/<uuid:pk>"

urlpatterns = [
    path("welcome", views.welcome, name="welcome"),
    path("galleries/", views.galleries, name="galleries"),
    path("galleries/new", views.create_gallery, name="create-gallery"),
    path("galleries/<slug:slug>/", views.dashboard, name="dashboard"),
    path("galleries/<slug:slug>/people/", views.people),
    path("galleries/<slug:slug>/people/many/<bulk:act>", bulk_views.many, name="many-people"),
    path(f"{PERSON}/", person_views.identity, name="identity"),
    path(f"{PERSON}/details", person_views.details, name="identity-details"),
    path(f"{PERSON}/history", person_views.history, name="identity-history"),
    path(f"{PERSON}/looks", person_views.who_looked, name="who-looked"),
    path(f"{PERSON}/consent", person_views.note_consent, name="identity-consent"),
    path(f"{PERSON}/delete", person_views.delete_identity, name="delete-identity"),
    *(
        path(f"{PERSON}/{action}", view, name=f"{action}-identity")
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
