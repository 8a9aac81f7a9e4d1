from django.urls import path, register_converter
from django.urls.converters import StringConverter

from recognition.sightings import views


class CorrectionConverter(StringConverter):
    regex = "confirm|reject|name"


class ManyConverter(StringConverter):
    regex = "merge|ignore|show|look"


class OneConverter(StringConverter):
    regex = "name|split|ignore|show|merge|deny"


for _name, _converter in (("correction", CorrectionConverter), ("many", ManyConverter), ("one", OneConverter)):
    register_converter(_converter, _name)

GALLERY = "galleries/<slug:slug>"

urlpatterns = [
    path(f"{GALLERY}/sightings", views.sightings, name="sightings"),
    path(f"{GALLERY}/sightings/new", views.new_sightings, name="new-sightings"),
    path(f"{GALLERY}/sightings/choices", views.choices, name="choices-sighting"),
    path(f"{GALLERY}/sightings/<uuid:pk>/<correction:action>", views.correct, name="correct-sighting"),
    path(f"{GALLERY}/people/<uuid:pk>/seen", views.seen, name="seen"),
    path(f"{GALLERY}/unknown", views.unknown_people, name="unknown-people"),
    path(f"{GALLERY}/unknown/<many:action>", views.change_unknowns, name="change-unknowns"),
    path(f"{GALLERY}/unknown/<uuid:pk>/", views.unknown_person, name="unknown-person"),
    path(f"{GALLERY}/unknown/<uuid:pk>/<one:action>", views.change_unknown, name="change-unknown"),
]
