"""Sightings and unknown people over REST. Thin: parse, one service or queryset, answer."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import viewsets
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import looks
from accounts.api_views import ActorMixin
from accounts.roles import Role, Scope
from faceplatform.errors import NotFound
from faceplatform.web.api import CursorPagination, ProblemSerializer
from faceplatform.web.filters import Filter, filtered, list_parameters, parse_time
from gallery.api import PROBLEMS, picture, the_gallery, validated
from gallery.models import Gallery, Identity
from recognition.cameras.models import Sighting, UnknownPerson
from recognition.photos.models import Decision
from recognition.sightings import corrections, schema, services, tasks
from recognition.sightings.representation import (
    naming_as_dict,
    refused_as_dicts,
    sighting_as_dict,
    unknown_as_dict,
)

CONFLICTS = {**PROBLEMS, 409: ProblemSerializer}
FILTERS = [
    Filter("gallery", "gallery__slug", "Only this gallery (slug)."),
    Filter("camera", "camera__slug", "Only this camera (slug)."),
    Filter("decision", "decision", "Only those decided so.", choices=Decision.values),
    Filter("unknown", "unknown", "Only those of this unknown person (id).", UUID),
    Filter("after", "last_seen__gt", "Only those that went on after this time.", parse_time),
    Filter("before", "first_seen__lt", "Only those that began before this time.", parse_time),
]
PERSON = Filter("identity", "identity", "Only those of this person (id).", UUID)
UNKNOWN_FILTERS = [
    Filter("gallery", "gallery__slug", "Only this gallery (slug)."),
    Filter("after", "last_seen__gt", "Only those seen after this time.", parse_time),
]
STATE = Filter(
    "state",
    "state",
    "Only open ones (not named, not ignored), ignored or named ones.",
    choices=["open", "ignored", "named"],
)


class SightingPagination(CursorPagination):
    ordering = ("-first_seen", "-id")


class UnknownPagination(CursorPagination):
    ordering = ("-last_seen", "-id")


class PeopleMixin(ActorMixin):
    """For calls that name a person of the gallery."""

    def person(self, pk: UUID | None) -> Identity | None:
        """Raises NotFound if there is none or it is hidden."""
        return self.get_visible(Identity.objects.select_related("gallery"), pk=pk) if pk else None

    def sighting(self, pk: UUID) -> Sighting:
        return self.get_visible(Sighting.objects.with_people(), pk=pk)

    def unknown(self, pk: UUID) -> UnknownPerson:
        return self.get_visible(UnknownPerson.objects.select_related("gallery"), pk=pk)


@extend_schema_view(
    list=extend_schema(
        summary="Who was seen by the cameras",
        description="Newest first.",
        parameters=list_parameters([*FILTERS, PERSON]),
        responses=schema.SightingSchema(many=True),
    ),
    retrieve=extend_schema(summary="A sighting", responses={200: schema.SightingSchema, **PROBLEMS}),
)
class SightingViewSet(PeopleMixin, viewsets.GenericViewSet):
    queryset = Sighting.objects.none()
    serializer_class = schema.SightingSchema
    pagination_class = SightingPagination
    write_scope = Scope.ENROL

    def list(self, request):
        rows = Sighting.objects.visible_to(self.actor).with_people().with_faces()
        rows = filtered(rows, request.query_params, FILTERS)
        if identity := request.query_params.get("identity"):
            rows = rows.of_person(PERSON.value(identity))
        page = self.paginate_queryset(rows) or []
        looks.seen(request, looks.Kind.RECOGNITIONS, gallery=the_gallery(request, page))
        return self.get_paginated_response([sighting_as_dict(row) for row in page])

    def retrieve(self, request, pk):
        sighting = self._whole(pk)
        looks.seen(request, looks.Kind.RECOGNITION, gallery=sighting.gallery, object_id=pk)
        return Response(sighting_as_dict(sighting))

    @extend_schema(
        summary="A sighting's best face as JPEG", responses={(200, "image/jpeg"): OpenApiTypes.BINARY, **PROBLEMS}
    )
    def crop(self, request, pk):
        return self.face(request, pk, rank=0)

    @extend_schema(
        summary="A face of a sighting as JPEG", responses={(200, "image/jpeg"): OpenApiTypes.BINARY, **PROBLEMS}
    )
    def face(self, request, pk, rank):
        sighting = self.get_visible(Sighting.objects.select_related("gallery"), pk=pk)
        if not looks.in_a_page(request):
            looks.seen(request, looks.Kind.RECOGNITION, gallery=sighting.gallery, object_id=pk)
        jpeg = sighting.faces.filter(rank=rank).values_list("jpeg", flat=True).first()
        if jpeg is None:
            raise NotFound("This sighting has no such face.")
        return picture(jpeg)

    @extend_schema(
        summary="Say that a sighting's name is right",
        request=None,
        responses={200: schema.CorrectedSchema, **CONFLICTS},
    )
    def confirm(self, request, pk):
        return self._answer(corrections.confirm_name(actor=self.actor, sighting=self.sighting(pk)))

    @extend_schema(
        summary="Say that a sighting is not this person",
        description="Faces nearer to this one than to the person's samples are not taken for the person any more. "
        "The sighting is of an unknown person again.",
        request=schema.RejectNameInput,
        responses={200: schema.CorrectedSchema, **CONFLICTS},
    )
    def reject(self, request, pk):
        sighting = self.sighting(pk)
        identity = self.person(validated(schema.RejectNameInput, request)["identity"])
        assert identity is not None
        return self._answer(corrections.reject_name(actor=self.actor, sighting=sighting, identity=identity))

    @extend_schema(
        summary="Say who a sighting shows",
        description="A person of the gallery, or a new one. If it named somebody else, that is remembered as wrong.",
        request=schema.NameSightingInput,
        responses={200: schema.CorrectedSchema, **CONFLICTS},
    )
    def give_name(self, request, pk):
        sighting, values = self.sighting(pk), validated(schema.NameSightingInput, request)
        values["identity"] = self.person(values.get("identity"))
        return self._answer(corrections.name_sighting(actor=self.actor, sighting=sighting, **values))

    def _answer(self, result: corrections.CorrectionResult) -> Response:
        tasks.look_for_names(result.sighting.gallery)
        body = {"event": str(result.event.pk), "sighting": sighting_as_dict(self._whole(result.sighting.pk))}
        return Response(body | {"refused": refused_as_dicts(result)})

    def _whole(self, pk: UUID) -> Sighting:
        return self.get_visible(Sighting.objects.with_people().with_faces(), pk=pk)


@extend_schema_view(
    list=extend_schema(
        summary="Unknown people, the latest seen first",
        parameters=list_parameters([*UNKNOWN_FILTERS, STATE]),
        responses=schema.UnknownSchema(many=True),
    ),
    retrieve=extend_schema(
        summary="An unknown person",
        description="Their sightings: `GET /sightings?unknown={id}`.",
        responses={200: schema.UnknownSchema, **PROBLEMS},
    ),
)
class UnknownViewSet(PeopleMixin, viewsets.GenericViewSet):
    queryset = UnknownPerson.objects.none()
    serializer_class = schema.UnknownSchema
    pagination_class = UnknownPagination
    write_scope = Scope.ENROL

    def list(self, request):
        rows = filtered(UnknownPerson.objects.visible_to(self.actor).seen(), request.query_params, UNKNOWN_FILTERS)
        if state := request.query_params.get("state"):
            rows = rows.in_state(STATE.value(state))
        page = self.paginate_queryset(rows.with_best_face().with_suggestions()) or []
        looks.seen(request, looks.Kind.RECOGNITIONS, gallery=the_gallery(request, page))
        return self.get_paginated_response([unknown_as_dict(row) for row in page])

    def retrieve(self, request, pk):
        return Response(self._as_dict(pk))

    @extend_schema(
        summary="Say who an unknown person is",
        description="A person of the gallery, or a new one. All past sightings get the name, and some faces become samples.",
        request=schema.NameUnknownInput,
        responses={200: schema.NamedSchema, **CONFLICTS},
    )
    def give_name(self, request, pk):
        unknown, values = self.unknown(pk), validated(schema.NameUnknownInput, request)
        values["identity"] = self.person(values.get("identity"))
        result = services.name_unknown(actor=self.actor, unknown=unknown, **values)
        tasks.look_for_names(unknown.gallery)
        return Response(naming_as_dict(result))

    @extend_schema(
        summary="Merge other unknown people into this one",
        request=schema.MergeUnknownsInput,
        responses={200: schema.ChangedUnknownSchema, **CONFLICTS},
    )
    def merge(self, request, pk):
        others = [self.unknown(other) for other in validated(schema.MergeUnknownsInput, request)["others"]]
        return self._answer(services.merge_unknowns(actor=self.actor, into=self.unknown(pk), others=others))

    @extend_schema(
        summary="Ignore an unknown person, or show them again",
        description="Nobody is told about an ignored one.",
        request=schema.IgnoreInput,
        responses={200: schema.ChangedUnknownSchema, **CONFLICTS},
    )
    def ignore(self, request, pk):
        values = validated(schema.IgnoreInput, request)
        return self._answer(services.set_ignored(actor=self.actor, unknown=self.unknown(pk), **values))

    @extend_schema(
        summary="Split off sightings into a new unknown person",
        request=schema.SplitUnknownInput,
        responses={200: schema.ChangedUnknownSchema, **CONFLICTS},
    )
    def split(self, request, pk):
        values = validated(schema.SplitUnknownInput, request)
        return self._answer(services.split_unknown(actor=self.actor, unknown=self.unknown(pk), **values))

    @extend_schema(
        summary="Say that a suggestion is wrong",
        description="This unknown person is not this person, or not the same as that unknown one. It is suggested no more.",
        request=schema.DenyInput,
        responses={200: schema.UnknownSchema, **CONFLICTS},
    )
    def deny(self, request, pk):
        unknown, values = self.unknown(pk), validated(schema.DenyInput, request)
        other = values.get("unknown")
        services.deny_suggestion(
            actor=self.actor,
            unknown=unknown,
            identity=self.person(values.get("identity")),
            other=self.unknown(other) if other else None,
        )
        return Response(self._as_dict(pk))

    def _answer(self, result: services.UnknownResult) -> Response:
        tasks.look_for_names(result.unknown.gallery)
        return Response({"event": str(result.event.pk), "unknown": self._as_dict(result.unknown.pk)})

    def _as_dict(self, pk: UUID) -> dict[str, Any]:
        return unknown_as_dict(self.get_visible(UnknownPerson.objects.with_best_face().with_suggestions(), pk=pk))


class MergeAlikeView(ActorMixin, APIView):
    write_scope = Scope.ENROL

    @extend_schema(
        summary="Look for unknown people who are the same",
        description="Starts the job that runs every night: it merges those who are clearly the same, and suggests others.",
        request=None,
        responses={202: None, **PROBLEMS},
    )
    def post(self, request, slug):
        gallery = self.get_visible(Gallery.objects.all(), slug=slug)
        self.actor.require_role(gallery, Role.CURATOR)
        tasks.start_merge(gallery)
        return Response(status=202)
