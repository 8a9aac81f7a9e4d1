from django.urls import path

from faceplatform.web.actions import COLLECTION, ITEM
from gallery.api import GalleryViewSet, IdentityViewSet
from gallery.curation.api import MergeView, RejectSampleView, SplitView, UndoView
from gallery.curation.samples_api import SampleViewSet
from gallery.looks_api import IdentityLooksView
from gallery.members_api import MemberViewSet

urlpatterns = [
    path("galleries", GalleryViewSet.as_view(COLLECTION), name="gallery-list"),
    path("galleries/<slug:slug>", GalleryViewSet.as_view(ITEM), name="gallery-detail"),
    path("galleries/<slug:slug>/members", MemberViewSet.as_view({"get": "list"}), name="member-list"),
    path(
        "galleries/<slug:slug>/members/<str:username>",
        MemberViewSet.as_view({"put": "update", "delete": "destroy"}),
        name="member-detail",
    ),
    path("identities", IdentityViewSet.as_view(COLLECTION), name="identity-list"),
    path("identities/<uuid:pk>", IdentityViewSet.as_view(ITEM), name="identity-detail"),
    path("identities/<uuid:pk>/views", IdentityLooksView.as_view(), name="identity-views"),
    path("identities/<uuid:pk>/merge", MergeView.as_view(), name="identity-merge"),
    path("identities/<uuid:pk>/split", SplitView.as_view(), name="identity-split"),
    path("samples/<uuid:pk>", SampleViewSet.as_view(ITEM), name="sample-detail"),
    path("samples/<uuid:pk>/reject", RejectSampleView.as_view(), name="sample-reject"),
    path(
        "samples/<uuid:pk>/crop.jpg",
        SampleViewSet.as_view({"get": "crop"}, answers_with=("image/jpeg",)),
        name="sample-crop",
    ),
    path("undo/<uuid:pk>", UndoView.as_view(), name="undo"),
]
