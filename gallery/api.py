"""Galleries and identities over REST, and the serialised form of a sample."""

import hashlib
import json
from contextlib import contextmanager
from datetime import datetime

from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.response import Response

from accounts import looks
from accounts.api_views import ActorMixin
from accounts.roles import Scope
from faceplatform.errors import Conflict, InvalidInput
from faceplatform.web.api import ProblemSerializer
from faceplatform.web.choices import ChoiceField
from faceplatform.web.filters import Filter, filtered, list_parameters, parse_bool, parse_time
from faceplatform.web.json_field import JSONField
from faceplatform.web.names import NamedSerializer
from gallery import services
from gallery.closing import close_gallery
from gallery.compiled_reads import GALLERY, IDENTITY
from gallery.models import FaceSample, Gallery, Identity

PROBLEMS = dict.fromkeys((400, 401, 403, 404), ProblemSerializer)


IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag you were given when you read the person. The answer is 412 if somebody has changed their data since; "
    "being recognised meanwhile, or getting samples, is no such change.",
)


IDENTITY_FILTERS = [
    Filter("gallery", "gallery__slug", "Only this gallery (slug)."),
    Filter("external_id", "external_id", "Only people with this external id."),
    Filter("department", "department", "Only people in this department."),
    Filter("active", "active", "Only active (true) or inactive (false) people.", parse_bool),
    Filter("hidden", "hidden", "Only hidden (true) or shown (false) people.", parse_bool),
    Filter("updated_after", "updated_at__gt", "Only people changed after this time.", parse_time),
]
IDENTITY_ORDERINGS = {"created_at": "id", "name": "name", "updated_at": "updated_at"}


class GallerySerializer(NamedSerializer):
    serializer_choice_field = ChoiceField

    identity_count = serializers.IntegerField(read_only=True)
    sample_count = serializers.IntegerField(read_only=True)
    slug = serializers.SlugField(max_length=50, required=False, help_text="Derived from the name if left out.")

    class Meta:
        model = Gallery
        fields = [
            "slug",
            "name",
            "pack",
            "threshold_source",
            "threshold_distance",
            "target_fpir",
            "quality_gate",
            "liveness",
            "keep_photos",
            "requires_consent",
            "time_zone",
            "day_starts_at",
            "created_at",
            "identity_count",
            "sample_count",
        ]
        read_only_fields = ["pack", "created_at"]
        validators = ()  # the service validates, with the model's own constraints


class IdentitySerializer(NamedSerializer):
    gallery = serializers.SlugField(source="gallery.slug", help_text="The gallery's slug.")
    sample_count = serializers.IntegerField(read_only=True)
    portrait = serializers.UUIDField(
        source="portrait_id", read_only=True, allow_null=True, help_text="The sample with the best quality."
    )
    metadata = JSONField(required=False)
    has_valid_consent = serializers.BooleanField(read_only=True, help_text="Consent was given and has not expired.")

    class Meta:
        model = Identity
        fields = [
            "id",
            "gallery",
            "name",
            "external_id",
            "department",
            "position",
            "active",
            "hidden",
            "metadata",
            *services.CONSENT_FIELDS,
            "has_valid_consent",
            "last_recognized_at",
            "created_at",
            "updated_at",
            "sample_count",
            "portrait",
        ]
        read_only_fields = ["last_recognized_at", "created_at", "updated_at"]
        validators = ()


# One instance for all calls: a serializer builds its fields on first use, then keeps them.
identity_as_dict = IdentitySerializer().to_representation


class SampleSerializer(serializers.ModelSerializer):
    identity = serializers.UUIDField(source="identity_id")

    class Meta:
        model = FaceSample
        fields = [
            "id", "identity", "rejected", "photo_name", "box", "detection_score", "quality_score", "quality", "created_at",
        ]  # fmt: skip
        read_only_fields = [name for name in fields if name != "identity"]


class ClosedSchema(serializers.Serializer):
    gallery = serializers.SlugField()
    deletes_at = serializers.DateTimeField(help_text="When the gallery will be deleted. Until then it can be undone.")


@extend_schema_view(
    list=extend_schema(summary="List your galleries", responses=GallerySerializer(many=True)),
    retrieve=extend_schema(summary="Get a gallery", responses={200: GallerySerializer, **PROBLEMS}),
    create=extend_schema(
        summary="Create a gallery", responses={201: GallerySerializer, **PROBLEMS, 409: ProblemSerializer}
    ),
    partial_update=extend_schema(summary="Change a gallery", responses={200: GallerySerializer, **PROBLEMS}),
    destroy=extend_schema(
        summary="Delete a gallery with all its people",
        description="Closes the gallery at once: nobody sees it any more. It is deleted after a waiting time, until which its "
        "owners can undo that at the address in `Location`, where a preview tells what will be deleted.",
        responses={202: ClosedSchema, **PROBLEMS},
    ),
)
class GalleryViewSet(ActorMixin, mixins.ListModelMixin, viewsets.GenericViewSet):
    queryset = Gallery.objects.none()
    serializer_class = GallerySerializer
    write_scope = Scope.MANAGE
    lookup_field = "slug"

    def get_queryset(self):
        return Gallery.objects.visible_to(self.actor).with_counts().order_by("-id")

    def retrieve(self, request, slug):
        return self._answer(slug)

    def create(self, request):
        values = validated(GallerySerializer, request)
        return self._answer(services.create_gallery(actor=self.actor, **values).slug, status=201)

    def partial_update(self, request, slug):
        gallery = self.get_visible(Gallery.objects.all(), slug=slug)
        values = validated(GallerySerializer, request, partial=True)
        return self._answer(services.update_gallery(actor=self.actor, gallery=gallery, **values).slug)

    def destroy(self, request, slug):
        gallery = close_gallery(actor=self.actor, gallery=self.get_visible(Gallery.objects.all(), slug=slug))
        answer = {"gallery": slug, "deletes_at": gallery.deletes_at}
        return Response(answer, status=202, headers={"Location": reverse("api:gallery-deletion", args=[slug])})

    def _answer(self, slug, status: int = 200) -> Response:
        gallery = self.get_visible(Gallery.objects.with_counts(), slug=slug)
        return Response(GallerySerializer(gallery).data, status=status)


@extend_schema_view(
    list=extend_schema(
        summary="List the people in your galleries",
        parameters=[
            OpenApiParameter(
                "search",
                str,
                description="Only people whose name, external id, department or position contains this text. "
                "Neither case nor accents count.",
            ),
            *list_parameters(IDENTITY_FILTERS, IDENTITY_ORDERINGS),
            OpenApiParameter("consent", bool, description="Only people with (true) or without (false) valid consent."),
        ],
    ),
    retrieve=extend_schema(
        summary="Get a person",
        description="The answer has an ETag. It is 304 if If-None-Match contains that ETag.",
        responses={200: IdentitySerializer, 304: None, **PROBLEMS},
    ),
    create=extend_schema(
        summary="Add a person", responses={201: IdentitySerializer, **PROBLEMS, 409: ProblemSerializer}
    ),
    partial_update=extend_schema(
        summary="Change a person's data",
        parameters=[IF_MATCH],
        responses={200: IdentitySerializer, **PROBLEMS, 409: ProblemSerializer, 412: ProblemSerializer},
    ),
    destroy=extend_schema(
        summary="Delete a person with all samples",
        description="Removes the person from every list and search at once. Can be undone until the purge.",
        parameters=[IF_MATCH],
        responses={204: None, **PROBLEMS, 409: ProblemSerializer, 412: ProblemSerializer},
    ),
)
class IdentityViewSet(ActorMixin, mixins.ListModelMixin, viewsets.GenericViewSet):
    queryset = Identity.objects.none()
    serializer_class = IdentitySerializer
    write_scope = Scope.ENROL
    orderings = IDENTITY_ORDERINGS

    def get_queryset(self):
        rows = Identity.objects.visible_to(self.actor).select_related("gallery").with_portrait()
        query = self.request.query_params
        if query.get("consent") in ("true", "false"):
            rows = rows.with_valid_consent() if query["consent"] == "true" else rows.without_valid_consent()
        return filtered(rows, query, IDENTITY_FILTERS).matching(query.get("search", ""))

    def list(self, request):
        page = self.paginate_queryset(self.get_queryset()) or []
        looks.seen(request, looks.Kind.PEOPLE, gallery=the_gallery(request, page))
        return self.get_paginated_response([identity_as_dict(row) for row in page])

    def retrieve(self, request, pk):
        answer = self._answer(pk)
        unchanged = matches(request.headers.get("If-None-Match", ""), answer["ETag"])
        return Response(status=304, headers={"ETag": answer["ETag"]}) if unchanged else answer

    def create(self, request):
        values = validated(IdentitySerializer, request)
        gallery = self.find_visible(GALLERY, values.pop("gallery")["slug"])
        identity = services.create_identity(actor=self.actor, gallery=gallery, **values)
        return self._answer(identity.pk, status=201)

    def partial_update(self, request, pk):
        identity = self._identity(pk)
        values = validated(IdentitySerializer, request, partial=True)
        values.pop("gallery", None)
        with answer_412_if_stale():
            services.update_identity(actor=self.actor, identity=identity, seen=version_seen(request), **values)
        return self._answer(pk)

    def destroy(self, request, pk):
        with answer_412_if_stale():
            services.delete_identity(actor=self.actor, identity=self._identity(pk), seen=version_seen(request))
        return Response(status=204)

    def _identity(self, pk) -> Identity:
        return self.find_visible(IDENTITY, pk)

    def _answer(self, pk, status: int = 200) -> Response:
        identity = self._identity(pk)
        if self.request.method == "GET":
            looks.seen(self.request, looks.Kind.PERSON, gallery=identity.gallery, object_id=pk)
        answer = identity_as_dict(identity)
        return Response(answer, status=status, headers={"ETag": etag_of(identity, answer)})


def the_gallery(request, page: list) -> Gallery | None:
    """The gallery of a list of rows that was asked for by its slug; None if it may have several, or has no rows."""
    return page[0].gallery if page and "gallery" in request.query_params else None


def picture(jpeg) -> HttpResponse:
    """A JPEG. NoStoreMiddleware sees to it that no browser keeps it."""
    return HttpResponse(bytes(jpeg), content_type="image/jpeg")


@contextmanager
def answer_412_if_stale():
    """Answers 412 to an If-Match that names an old version, as HTTP asks; the pages answer 409."""
    try:
        yield
    except Conflict as error:
        if error.code == "edited_meanwhile":
            error.status = 412
        raise


def etag_of(identity: Identity, answer: dict) -> str:
    """The row's version, which If-Match is compared with, and a hash of the whole answer, which also tells of new samples."""
    content = json.dumps(answer, sort_keys=True, default=str).encode()
    return f'"{identity.updated_at.isoformat()}_{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


def matches(if_none_match: str, etag: str) -> bool:
    """Whether the header names this ETag, among others perhaps, or any by `*`."""
    return any(tag.removeprefix("W/") in (etag, "*") for tag in parse_etags(if_none_match))


def version_seen(request) -> datetime | None:
    """The `updated_at` of the row as the caller read it, from If-Match; None without one, or with `*`."""
    tag = request.headers.get("If-Match", "").removeprefix("W/").strip('"').partition("_")[0]
    try:
        return datetime.fromisoformat(tag) if tag not in ("", "*") else None
    except ValueError as error:
        raise InvalidInput("If-Match must be an ETag from an earlier answer.") from error


def validated(serializer_class, request, *, partial: bool = False) -> dict:
    serializer = serializer_class(data=request.data, partial=partial)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
