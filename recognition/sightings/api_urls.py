from django.urls import path

from recognition.sightings.api import MergeAlikeView, SightingViewSet, UnknownViewSet

JPEG = ("image/jpeg",)

urlpatterns = [
    path("sightings", SightingViewSet.as_view({"get": "list"}), name="sighting-list"),
    path("sightings/<uuid:pk>", SightingViewSet.as_view({"get": "retrieve"}), name="sighting-detail"),
    path(
        "sightings/<uuid:pk>/crop.jpg",
        SightingViewSet.as_view({"get": "crop"}, answers_with=JPEG),
        name="sighting-crop",
    ),
    path(
        "sightings/<uuid:pk>/faces/<int:rank>",
        SightingViewSet.as_view({"get": "face"}, answers_with=JPEG),
        name="sighting-face",
    ),
    *(
        path(f"sightings/<uuid:pk>/{word}", SightingViewSet.as_view({"post": action}), name=f"sighting-{word}")
        for word, action in (("confirm", "confirm"), ("reject", "reject"), ("name", "give_name"))
    ),
    path("unknowns", UnknownViewSet.as_view({"get": "list"}), name="unknown-list"),
    path("unknowns/<uuid:pk>", UnknownViewSet.as_view({"get": "retrieve"}), name="unknown-detail"),
    *(
        path(f"unknowns/<uuid:pk>/{word}", UnknownViewSet.as_view({"post": action}), name=f"unknown-{word}")
        for word, action in (("name", "give_name"), *((same, same) for same in ("merge", "ignore", "split", "deny")))
    ),
    path("galleries/<slug:slug>/unknowns/merge", MergeAlikeView.as_view(), name="merge-unknowns"),
]
