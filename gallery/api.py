"""Galleries and identities over REST; how a sample looks there. Thin: parse, one service or queryset, answer."""

from contextlib import contextmanager
from datetime import datetime

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.response import Response

from accounts.api_views import ActorMixin
from accounts.roles import Scope
from faceplatform.errors import Conflict, InvalidInput
from faceplatform.web.api import ProblemSerializer
from faceplatform.web.filters import Filter, filtered, list_parameters, moment, yes_or_no
from gallery import services
from gallery.compiled_reads import GALLERY, PERSON
from gallery.models import FaceSample, Gallery, Identity

PROBLEMS = dict.fromkeys((400, 401, 403, 404), ProblemSerializer)


IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The ETag of the row you looked at: 412 if it changed since."
)


PERSON_FILTERS = [
    Filter("gallery", "gallery__slug", "Only this gallery (slug)."),
    Filter("external_id", "external_id", "Only who has this external id."),
    Filter("department", "department", "Only people of this department."),
    Filter("active", "active", "Only active (true) or inactive (false) people.", yes_or_no),
    Filter("hidden", "hidden", "Only hidden (true) or shown (false) people.", yes_or_no),
    Filter("updated_after", "updated_at__gt", "Only who was changed after this time.", moment),
]
PERSON_ORDERINGS = {"created_at": "id", "name": "name", "updated_at": "updated_at"}


class GallerySerializer(serializers.ModelSerializer):
    identity_count = serializers.IntegerField(read_only=True)
    sample_count = serializers.IntegerField(read_only=True)
    slug = serializers.SlugField(max_length=50, required=False, help_text="Made from the name where it is left out.")

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
            "keep_photos",
            "requires_consent",
            "created_at",
            "identity_count",
            "sample_count",
        ]
        read_only_fields = ["pack", "created_at"]
        validators = ()  # the service validates, with the database's own rules


class IdentitySerializer(serializers.ModelSerializer):
    gallery = serializers.SlugField(source="gallery.slug", help_text="The gallery's slug.")
    sample_count = serializers.IntegerField(read_only=True)
    portrait = serializers.UUIDField(
        source="portrait_id", read_only=True, allow_null=True, help_text="The sample that shows best."
    )
    metadata = serializers.JSONField(required=False)
    has_valid_consent = serializers.BooleanField(read_only=True, help_text="Given, and not expired today.")

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


person_as_dict = IdentitySerializer().to_representation  # one for all: it makes its fields when it is first used


class SampleSerializer(serializers.ModelSerializer):
    identity = serializers.UUIDField(source="identity_id")

    class Meta:
        model = FaceSample
        fields = [
            "id", "identity", "rejected", "photo_name", "box", "detection_score", "quality_score", "quality", "created_at",
        ]  # fmt: skip
        read_only_fields = [name for name in fields if name != "identity"]


@extend_schema_view(
    list=extend_schema(summary="Galleries you may see", responses=GallerySerializer(many=True)),
    retrieve=extend_schema(summary="A gallery", responses={200: GallerySerializer, **PROBLEMS}),
    create=extend_schema(
        summary="Create a gallery", responses={201: GallerySerializer, **PROBLEMS, 409: ProblemSerializer}
    ),
    partial_update=extend_schema(summary="Change a gallery", responses={200: GallerySerializer, **PROBLEMS}),
    destroy=extend_schema(summary="Delete a gallery with all its people", responses={204: None, **PROBLEMS}),
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
        services.delete_gallery(actor=self.actor, gallery=self.get_visible(Gallery.objects.all(), slug=slug))
        return Response(status=204)

    def _answer(self, slug, status: int = 200) -> Response:
        gallery = self.get_visible(Gallery.objects.with_counts(), slug=slug)
        return Response(GallerySerializer(gallery).data, status=status)


@extend_schema_view(
    list=extend_schema(
        summary="People of your galleries",
        parameters=[
            OpenApiParameter("search", str, description="Name, external id, department or position holds this."),
            *list_parameters(PERSON_FILTERS, PERSON_ORDERINGS),
            OpenApiParameter("consent", bool, description="Only with (true) or without (false) valid consent."),
        ],
    ),
    retrieve=extend_schema(
        summary="A person",
        description="With an ETag; 304 where If-None-Match names it.",
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
        description="Out of every list and search at once; can be undone until it is purged.",
        parameters=[IF_MATCH],
        responses={204: None, **PROBLEMS, 409: ProblemSerializer, 412: ProblemSerializer},
    ),
)
class IdentityViewSet(ActorMixin, mixins.ListModelMixin, viewsets.GenericViewSet):
    queryset = Identity.objects.none()
    serializer_class = IdentitySerializer
    write_scope = Scope.ENROL
    orderings = PERSON_ORDERINGS

    def get_queryset(self):
        rows = Identity.objects.visible_to(self.actor).select_related("gallery").with_portrait()
        query = self.request.query_params
        if query.get("consent") in ("true", "false"):
            rows = rows.with_valid_consent() if query["consent"] == "true" else rows.without_valid_consent()
        return filtered(rows, query, PERSON_FILTERS).matching(query.get("search", ""))

    def retrieve(self, request, pk):
        answer = self._answer(pk)
        unchanged = answer["ETag"] in request.headers.get("If-None-Match", "")
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
        with precondition():
            services.update_identity(actor=self.actor, identity=identity, seen=version_seen(request), **values)
        return self._answer(pk)

    def destroy(self, request, pk):
        with precondition():
            services.delete_identity(actor=self.actor, identity=self._identity(pk), seen=version_seen(request))
        return Response(status=204)

    def _identity(self, pk) -> Identity:
        return self.find_visible(PERSON, pk)

    def _answer(self, pk, status: int = 200) -> Response:
        identity = self._identity(pk)
        version = {"ETag": f'"{identity.updated_at.isoformat()}"'}
        return Response(person_as_dict(identity), status=status, headers=version)


def picture(jpeg) -> HttpResponse:
    """A face for this user's eyes: kept by the browser, by nobody in between."""
    return HttpResponse(bytes(jpeg), content_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@contextmanager
def precondition():
    """Where If-Match names another version than there is: 412 instead of the pages' 409."""
    try:
        yield
    except Conflict as error:
        if error.code == "edited_meanwhile":
            error.status = 412
        raise


def version_seen(request) -> datetime | None:
    """Which version of a row the caller looked at, from If-Match; None where it does not say."""
    tag = request.headers.get("If-Match", "").removeprefix("W/").strip('"')
    try:
        return datetime.fromisoformat(tag) if tag not in ("", "*") else None
    except ValueError as error:
        raise InvalidInput("If-Match must be the ETag of an earlier answer.") from error


def validated(serializer_class, request, *, partial: bool = False) -> dict:
    serializer = serializer_class(data=request.data, partial=partial)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
