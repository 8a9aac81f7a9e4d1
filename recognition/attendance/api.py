"""Attendance over REST."""

from datetime import date
from uuid import UUID

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import looks
from accounts.api_views import ActorMixin
from accounts.roles import Role, Scope
from faceplatform.errors import InvalidInput
from faceplatform.spreadsheet import csv_blocks
from faceplatform.web.api import ProblemSerializer
from faceplatform.web.streaming import download
from gallery.api import PROBLEMS
from gallery.models import Gallery, Identity
from recognition.attendance import services
from recognition.attendance.days import day_of
from recognition.attendance.models import TO_WRITE_DOWN, AttendanceCorrection, Presence
from recognition.attendance.report import Days, PersonDay, csv_lines, people_of
from recognition.photos.schema import IdentityReferenceSchema

MOST_DAYS = 31
PARAMETERS = [
    OpenApiParameter("first", OpenApiTypes.DATE, description="The first day, of the gallery's own; today if left out."),
    OpenApiParameter(
        "last", OpenApiTypes.DATE, description="The last day; the first one if left out. 31 days at most."
    ),
    OpenApiParameter("department", str, description="Only people in this department."),
    OpenApiParameter("identity", OpenApiTypes.UUID, description="Only this person."),
]


class CorrectionSchema(serializers.Serializer):
    id = serializers.UUIDField()
    presence = serializers.ChoiceField(choices=TO_WRITE_DOWN)
    came = serializers.TimeField(allow_null=True)
    left = serializers.TimeField(allow_null=True)
    reason = serializers.CharField()
    made_at = serializers.DateTimeField()


class PersonDaySchema(serializers.Serializer):
    identity = IdentityReferenceSchema()
    date = serializers.DateField()
    presence = serializers.ChoiceField(
        choices=Presence.choices, help_text="no_data: nobody was seen, and no camera gave pictures."
    )
    first_seen = serializers.DateTimeField(allow_null=True)
    last_seen = serializers.DateTimeField(allow_null=True)
    cameras = serializers.ListField(child=serializers.CharField(), help_text="Their names.")
    sightings = serializers.IntegerField()
    inside = serializers.BooleanField(
        allow_null=True,
        help_text="Today: whether the last one at an entrance or exit came in; null without such a door.",
    )
    correction = CorrectionSchema(allow_null=True)


class AttendanceSchema(serializers.Serializer):
    gallery = serializers.SlugField()
    time_zone = serializers.CharField()
    first = serializers.DateField()
    last = serializers.DateField()
    results = PersonDaySchema(many=True)


class CorrectionInput(serializers.Serializer):
    identity = serializers.UUIDField()
    date = serializers.DateField()
    presence = serializers.ChoiceField(choices=TO_WRITE_DOWN)
    reason = serializers.CharField(max_length=200)
    came = serializers.TimeField(required=False, allow_null=True, help_text="In the gallery's time zone.")
    left = serializers.TimeField(required=False, allow_null=True)


def person_day_as_dict(row: PersonDay) -> dict:
    person, correction = row.identity, row.correction
    return {
        "identity": {"id": str(person.pk), "name": person.name, "external_id": person.external_id},
        "date": row.date.isoformat(),
        "presence": row.presence.value,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
        "cameras": list(row.cameras),
        "sightings": row.sightings,
        "inside": row.inside,
        "correction": CorrectionSchema(correction).data if correction else None,
    }


class AttendanceView(ActorMixin, APIView):
    write_scope = Scope.ENROL

    @extend_schema(
        summary="Who was seen on which day", parameters=PARAMETERS, responses={200: AttendanceSchema, **PROBLEMS}
    )
    def get(self, request, slug):
        days = self.days(slug)
        looks.seen(request, looks.Kind.PEOPLE, gallery=days.gallery)
        rows = [person_day_as_dict(days.of(person, day)) for day in _dates(days) for person in days.people]
        head = {
            "gallery": days.gallery.slug,
            "time_zone": days.gallery.zone.key,
            "first": days.first,
            "last": days.last,
        }
        return Response(head | {"results": rows})

    def days(self, slug: str) -> Days:
        """Raises InvalidInput."""
        query = self.request.query_params
        gallery = self.get_visible(Gallery.objects.all(), slug=slug)
        first = _date(query, "first", day_of(gallery, timezone.now()))
        last = _date(query, "last", first)
        if not 0 <= (last - first).days < MOST_DAYS:
            raise InvalidInput(f"Ask for 1 to {MOST_DAYS} days: first must not be after last.")
        people = people_of(gallery, query.get("department", ""))
        if "identity" in query:
            people = people.filter(pk=_uuid(query["identity"]))
        return Days(gallery, first, last, list(people))


class AttendanceCsvView(AttendanceView):
    answers_with = ("text/csv",)

    @extend_schema(
        summary="The same as CSV", parameters=PARAMETERS, responses={(200, "text/csv"): OpenApiTypes.STR, **PROBLEMS}
    )
    def get(self, request, slug):
        days = self.days(slug)
        looks.seen(request, looks.Kind.PEOPLE, gallery=days.gallery)
        blocks = (block.encode() for block in csv_blocks(csv_lines(days)))
        name = f"attendance-{days.gallery.slug}-{days.first.isoformat()}.csv"
        return download(request, blocks, name=name, content_type="text/csv; charset=utf-8")


class CorrectionsView(ActorMixin, APIView):
    write_scope = Scope.ENROL

    @extend_schema(
        summary="Correct a person's day by hand",
        description="It replaces an earlier correction of that day.",
        request=CorrectionInput,
        responses={201: CorrectionSchema, **PROBLEMS},
    )
    def post(self, request):
        given = CorrectionInput(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.validated_data
        identity = self.get_visible(Identity.objects.select_related("gallery"), pk=values.pop("identity"))
        row = services.correct(actor=self.actor, identity=identity, day=values.pop("date"), **values)
        row.refresh_from_db()
        return Response(CorrectionSchema(row).data, status=201)


class CorrectionView(ActorMixin, APIView):
    write_scope = Scope.ENROL

    @extend_schema(summary="Take a correction back", responses={204: None, **PROBLEMS, 409: ProblemSerializer})
    def delete(self, request, pk):
        rows = AttendanceCorrection.objects.select_related("gallery", "identity")
        correction = self.get_visible(rows, pk=pk)
        self.actor.require_role(correction.gallery, Role.CURATOR)
        services.withdraw(actor=self.actor, correction=correction)
        return Response(status=204)


def _dates(days: Days) -> list[date]:
    return [date.fromordinal(number) for number in range(days.first.toordinal(), days.last.toordinal() + 1)]


def _date(query, name: str, default: date) -> date:
    try:
        return date.fromisoformat(query[name]) if query.get(name) else default
    except ValueError as error:
        raise InvalidInput(f"{name} must be a date such as 2026-01-31.") from error


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidInput("identity must be a UUID.") from error
