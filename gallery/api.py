"""Galleries, identities and samples over REST. Thin: parse, one service or queryset, answer."""

from datetime import datetime

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.response import Response

from accounts.actor import Actor, Via
from accounts.roles import Scope
from faceplatform.api import ProblemSerializer
from faceplatform.errors import InvalidInput, NotFound
from gallery import services
from gallery.curation import move_sample
from gallery.models import FaceCrop, FaceSample, Gallery, Identity

PROBLEMS = dict.fromkeys((400, 401, 403, 404), ProblemSerializer)


IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The ETag of the row you looked at: 409 if it changed since."
)


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
        validators = []  # the service validates, with the database's own rules


class IdentitySerializer(serializers.ModelSerializer):
    gallery = serializers.SlugField(source="gallery.slug", help_text="The gallery's slug.")
    sample_count = serializers.IntegerField(read_only=True)
    portrait = serializers.UUIDField(source="portrait_id", read_only=True, help_text="The sample that shows best.")
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
        validators = []


class SampleSerializer(serializers.ModelSerializer):
    identity = serializers.UUIDField(source="identity_id")

    class Meta:
        model = FaceSample
        fields = [
            "id", "identity", "rejected", "photo_name", "box", "detection_score", "quality_score", "quality", "created_at",
        ]  # fmt: skip
        read_only_fields = [name for name in fields if name != "identity"]


class ActorMixin:
    @property
    def actor(self) -> Actor:
        return Actor.from_request(self.request, Via.API)

    def get_visible(self, queryset, **lookup):
        """The row, or NotFound for what is not there and for what is hidden alike."""
        found = queryset.visible_to(self.actor).filter(**lookup).first()
        if found is None:
            raise NotFound("There is nothing here, or you have no access to it.")
        return found


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
        return Response(GallerySerializer(self.get_visible(Gallery.objects.with_counts(), slug=slug)).data)

    def create(self, request):
        values = _validated(GallerySerializer, request)
        return Response(GallerySerializer(services.create_gallery(actor=self.actor, **values)).data, status=201)

    def partial_update(self, request, slug):
        gallery = self.get_visible(Gallery.objects.all(), slug=slug)
        values = _validated(GallerySerializer, request, partial=True)
        return Response(GallerySerializer(services.update_gallery(actor=self.actor, gallery=gallery, **values)).data)

    def destroy(self, request, slug):
        services.delete_gallery(actor=self.actor, gallery=self.get_visible(Gallery.objects.all(), slug=slug))
        return Response(status=204)


@extend_schema_view(
    list=extend_schema(
        summary="People of your galleries",
        parameters=[
            OpenApiParameter("gallery", str, description="Only this gallery (slug)."),
            OpenApiParameter("search", str, description="Name, external id, department or position holds this."),
            OpenApiParameter("active", bool, description="Only active (true) or inactive (false) people."),
            OpenApiParameter("hidden", bool, description="Only hidden (true) or shown (false) people."),
            OpenApiParameter("consent", bool, description="Only with (true) or without (false) valid consent."),
        ],
    ),
    retrieve=extend_schema(summary="A person", responses={200: IdentitySerializer, **PROBLEMS}),
    create=extend_schema(
        summary="Add a person", responses={201: IdentitySerializer, **PROBLEMS, 409: ProblemSerializer}
    ),
    partial_update=extend_schema(
        summary="Change a person's data",
        parameters=[IF_MATCH],
        responses={200: IdentitySerializer, **PROBLEMS, 409: ProblemSerializer},
    ),
    destroy=extend_schema(
        summary="Delete a person with all samples",
        description="Out of every list and search at once; can be undone until it is purged.",
        responses={204: None, **PROBLEMS},
    ),
)
class IdentityViewSet(ActorMixin, mixins.ListModelMixin, viewsets.GenericViewSet):
    queryset = Identity.objects.none()
    serializer_class = IdentitySerializer
    write_scope = Scope.ENROL

    def get_queryset(self):
        rows = Identity.objects.visible_to(self.actor).select_related("gallery").with_portrait().order_by("-id")
        query = self.request.query_params
        if slug := query.get("gallery"):
            rows = rows.filter(gallery__slug=slug)
        for flag in ("active", "hidden"):
            if query.get(flag) in ("true", "false"):
                rows = rows.filter(**{flag: query[flag] == "true"})
        if query.get("consent") in ("true", "false"):
            rows = rows.with_valid_consent() if query["consent"] == "true" else rows.without_valid_consent()
        return rows.matching(query.get("search", ""))

    def retrieve(self, request, pk):
        return self._answer(pk)

    def create(self, request):
        values = _validated(IdentitySerializer, request)
        gallery = self.get_visible(Gallery.objects.all(), slug=values.pop("gallery")["slug"])
        identity = services.create_identity(actor=self.actor, gallery=gallery, **values)
        return self._answer(identity.pk, status=201)

    def partial_update(self, request, pk):
        identity = self._identity(pk)
        values = _validated(IdentitySerializer, request, partial=True)
        values.pop("gallery", None)
        services.update_identity(actor=self.actor, identity=identity, seen=version_seen(request), **values)
        return self._answer(pk)

    def destroy(self, request, pk):
        services.delete_identity(actor=self.actor, identity=self._identity(pk))
        return Response(status=204)

    def _identity(self, pk) -> Identity:
        return self.get_visible(Identity.objects.select_related("gallery").with_portrait(), pk=pk)

    def _answer(self, pk, status: int = 200) -> Response:
        identity = self._identity(pk)
        version = {"ETag": f'"{identity.updated_at.isoformat()}"'}
        return Response(IdentitySerializer(identity).data, status=status, headers=version)


@extend_schema_view(
    retrieve=extend_schema(summary="A sample", responses={200: SampleSerializer, **PROBLEMS}),
    partial_update=extend_schema(
        summary="Give a sample to another person",
        responses={200: SampleSerializer, **PROBLEMS, 409: ProblemSerializer},
    ),
    destroy=extend_schema(summary="Delete a sample", responses={204: None, **PROBLEMS}),
)
class SampleViewSet(ActorMixin, viewsets.GenericViewSet):
    queryset = FaceSample.objects.none()
    serializer_class = SampleSerializer
    write_scope = Scope.ENROL

    def retrieve(self, request, pk):
        return Response(SampleSerializer(self.get_visible(FaceSample.objects.all(), pk=pk)).data)

    def partial_update(self, request, pk):
        sample = self.get_visible(FaceSample.objects.select_related("identity__gallery"), pk=pk)
        to = _validated(SampleSerializer, request)["identity_id"]
        person = self.get_visible(Identity.objects.select_related("gallery"), pk=to)
        move_sample(actor=self.actor, sample=sample, to=person)
        return self.retrieve(request, pk)

    def destroy(self, request, pk):
        sample = self.get_visible(FaceSample.objects.select_related("identity__gallery"), pk=pk)
        services.delete_sample(actor=self.actor, sample=sample)
        return Response(status=204)

    @extend_schema(summary="The face as JPEG", responses={(200, "image/jpeg"): OpenApiTypes.BINARY, **PROBLEMS})
    def crop(self, request, pk):
        sample = self.get_visible(FaceSample.objects.all(), pk=pk)
        return picture(get_object_or_404(FaceCrop, pk=sample.pk).jpeg)


def picture(jpeg) -> HttpResponse:
    """A face for this user's eyes: kept by the browser, by nobody in between."""
    return HttpResponse(bytes(jpeg), content_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def version_seen(request) -> datetime | None:
    """Which version of a row the caller looked at, from If-Match; None where it does not say."""
    tag = request.headers.get("If-Match", "").removeprefix("W/").strip('"')
    try:
        return datetime.fromisoformat(tag) if tag not in ("", "*") else None
    except ValueError as error:
        raise InvalidInput("If-Match must be the ETag of an earlier answer.") from error


def _validated(serializer_class, request, *, partial: bool = False) -> dict:
    serializer = serializer_class(data=request.data, partial=partial)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
