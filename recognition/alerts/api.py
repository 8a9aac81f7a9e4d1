"""Alerts and their rules over REST."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import viewsets
from rest_framework.response import Response

from accounts import looks
from accounts.api_views import ActorMixin
from accounts.roles import Scope
from faceplatform.errors import InvalidInput, NotFound
from faceplatform.web.api import CursorPagination, ProblemSerializer
from faceplatform.web.filters import Filter, filtered, list_parameters, parse_bool, parse_time
from gallery.api import PROBLEMS, picture, the_gallery, validated
from gallery.models import Gallery, Identity
from recognition.alerts import schema, services
from recognition.alerts.models import Alert, AlertKind, AlertRule
from recognition.alerts.representation import alert_as_dict, rule_as_dict, seen_as_list
from recognition.cameras.models import Camera

CONFLICTS = {**PROBLEMS, 409: ProblemSerializer}
GALLERY = Filter("gallery", "gallery__slug", "Only this gallery (slug).")
PERSON = Filter("identity", "identity", "Only those about this person (id).", UUID)
FILTERS = [
    GALLERY,
    Filter("kind", "kind", "Only this kind.", choices=AlertKind.values),
    Filter("camera", "camera__slug", "Only this camera (slug)."),
    Filter("seen", "seen_by_actor", "Only those that you have looked at (true) or not (false).", parse_bool),
    Filter("after", "raised_at__gt", "Only those raised after this time.", parse_time),
    Filter("before", "raised_at__lt", "Only those raised before this time.", parse_time),
]


class AlertPagination(CursorPagination):
    ordering = ("-raised_at", "-id")


@extend_schema_view(
    list=extend_schema(
        summary="Alerts of your galleries, newest first",
        parameters=list_parameters([*FILTERS, PERSON]),
        responses=schema.AlertSchema(many=True),
    ),
    retrieve=extend_schema(summary="An alert", responses={200: schema.AlertSchema, **PROBLEMS}),
)
class AlertViewSet(ActorMixin, viewsets.GenericViewSet):
    """What rules have told."""

    queryset = Alert.objects.none()
    serializer_class = schema.AlertSchema
    pagination_class = AlertPagination
    write_scope = Scope.READ  # who reads an alert says that they have

    def list(self, request):
        rows: Any = filtered(self._rows(), request.query_params, FILTERS)
        if identity := request.query_params.get("identity"):
            rows = rows.of_person(PERSON.value(identity))
        page = self.paginate_queryset(rows) or []
        looks.seen(request, looks.Kind.RECOGNITIONS, gallery=the_gallery(request, page))
        return self.get_paginated_response([_alert(row) for row in page])

    def retrieve(self, request, pk):
        alert = self.get_visible(Alert.objects.with_all().with_seen(self.actor), pk=pk)
        looks.seen(request, looks.Kind.RECOGNITION, gallery=alert.gallery, object_id=alert.sighting_id or alert.pk)
        return Response(_alert(alert))

    @extend_schema(
        summary="The picture of an alert as JPEG",
        description="The best face of its sighting. 404 if it has none, or its retention has ended.",
        responses={(200, "image/jpeg"): OpenApiTypes.BINARY, **PROBLEMS},
    )
    def picture(self, request, pk):
        alert = self.get_visible(Alert.objects.select_related("gallery", "sighting"), pk=pk)
        if not looks.in_a_page(request):
            looks.seen(request, looks.Kind.RECOGNITION, gallery=alert.gallery, object_id=alert.sighting_id or pk)
        faces = alert.sighting.faces.order_by("rank") if alert.sighting else None
        jpeg = faces.values_list("jpeg", flat=True).first() if faces is not None else None
        if jpeg is None:
            raise NotFound("This alert has no picture.")
        return picture(jpeg)

    @extend_schema(
        summary="Say that you have looked at an alert", request=None, responses={200: schema.AlertSchema, **PROBLEMS}
    )
    def see(self, request, pk):
        alert = self.get_visible(Alert.objects.all(), pk=pk)
        services.mark_seen(actor=self.actor, alerts=Alert.objects.filter(pk=alert.pk))
        return self.retrieve(request, pk)

    @extend_schema(
        operation_id="alerts_seen_many",
        summary="Say that you have looked at many alerts",
        request=schema.SeeInput,
        responses={200: schema.CountSchema, **PROBLEMS},
    )
    def see_many(self, request):
        values = validated(schema.SeeInput, request)
        rows = Alert.objects.visible_to(self.actor)
        if "gallery" in values:
            rows = rows.filter(gallery=self.get_visible(Gallery.objects.all(), slug=values["gallery"]))
            rows = rows.filter(raised_at__lte=values["until"]) if "until" in values else rows
        else:
            rows = rows.filter(pk__in=values["alerts"])
            if rows.count() < len(set(values["alerts"])):
                raise NotFound("One of these alerts is not there, or you have no access to it.")
        return Response({"seen": services.mark_seen(actor=self.actor, alerts=rows)})

    def _rows(self) -> QuerySet[Alert]:
        return Alert.objects.visible_to(self.actor).with_all().with_seen(self.actor)


@extend_schema_view(
    list=extend_schema(
        summary="The alert rules of galleries that you own",
        parameters=list_parameters([GALLERY]),
        responses=schema.RuleSchema(many=True),
    ),
    retrieve=extend_schema(summary="An alert rule", responses={200: schema.RuleSchema, **PROBLEMS}),
    create=extend_schema(
        summary="Add an alert rule", request=schema.RuleInput, responses={201: schema.RuleSchema, **CONFLICTS}
    ),
    partial_update=extend_schema(
        summary="Change an alert rule", request=schema.RuleInput, responses={200: schema.RuleSchema, **CONFLICTS}
    ),
    destroy=extend_schema(
        summary="Delete an alert rule", description="Its alerts stay.", responses={204: None, **PROBLEMS}
    ),
)
class RuleViewSet(ActorMixin, viewsets.GenericViewSet):
    """What is to be told."""

    queryset = AlertRule.objects.none()
    serializer_class = schema.RuleSchema
    read_scope = write_scope = Scope.MANAGE

    def list(self, request):
        rows = AlertRule.objects.visible_to(self.actor).with_choices()
        page = self.paginate_queryset(filtered(rows, request.query_params, [GALLERY])) or []
        return self.get_paginated_response([rule_as_dict(row) for row in page])

    def retrieve(self, request, pk):
        return Response(rule_as_dict(self._rule(pk)))

    def create(self, request):
        values = validated(schema.RuleInput, request)
        gallery = self.get_visible(Gallery.objects.all(), slug=values.pop("gallery")["slug"])
        rule = services.create_rule(actor=self.actor, gallery=gallery, **_chosen(gallery, values))
        location = {"Location": reverse("api:alert-rule-detail", args=[rule.pk])}
        return Response(rule_as_dict(self._rule(rule.pk)), status=201, headers=location)

    def partial_update(self, request, pk):
        rule = self._rule(pk)
        values = validated(schema.RuleInput, request, partial=True)
        values.pop("gallery", None)
        services.change_rule(actor=self.actor, rule=rule, **_chosen(rule.gallery, values))
        return Response(rule_as_dict(self._rule(pk)))

    def destroy(self, request, pk):
        services.delete_rule(actor=self.actor, rule=self._rule(pk))
        return Response(status=204)

    def _rule(self, pk) -> AlertRule:
        return self.get_visible(AlertRule.objects.with_choices(), pk=pk)


def _alert(row: Alert) -> dict:
    return alert_as_dict(row) | {
        "seen": row.seen_by_actor,  # type: ignore[attr-defined]
        "seen_by": seen_as_list(row),
    }


def _chosen(gallery: Gallery, values: dict) -> dict:
    """The values, with rows in place of ids. Raises InvalidInput if the gallery has no such row."""
    rows: dict[str, QuerySet] = {
        "cameras": Camera.objects.filter(gallery=gallery),
        "people": Identity.objects.filter(gallery=gallery),
        "but_not": Identity.objects.filter(gallery=gallery),
    }
    for name in rows.keys() & values.keys():
        ids = set(values[name])
        found = list(rows[name].filter(pk__in=ids))
        if len(found) < len(ids):
            raise InvalidInput(
                f"{name}: the gallery has none with {'this id' if len(ids) == 1 else 'one of these ids'}."
            )
        values[name] = found
    return values
