"""Puts attendance together: a day, a month, a person. Reads only."""

import calendar
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID

from django.utils import timezone

from gallery.models import Gallery, Identity
from gallery.querysets import IdentityQuerySet
from recognition.attendance.days import DAY, bounds_of, day_of, time_on
from recognition.attendance.models import AttendanceCorrection, AttendanceDay, Presence
from recognition.cameras.models import Camera, CameraRole, LivePeriod, Sighting


@dataclass(frozen=True, slots=True)
class PersonDay:
    """A person's day. presence: PRESENT if a camera saw them, or somebody wrote so; NO_DATA if no camera gave pictures.

    first_seen, last_seen: by the cameras, or as corrected. cameras: their names, the first one first. inside: today alone,
    whether the last one at a door came in; None where there is no such door. correction: in force.
    """

    identity: Identity
    date: date
    presence: Presence
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    cameras: tuple[str, ...] = ()
    first_camera: str = ""
    last_camera: str = ""
    sightings: int = 0
    inside: bool | None = None
    correction: AttendanceCorrection | None = None


MANY = 1000  # of more people the rows are not asked for one by one: the whole gallery's are read quicker


@dataclass(slots=True)
class Days:
    """What is known about days `first` to `last` of a gallery, in few queries. inside: whether who is inside now is wanted."""

    gallery: Gallery
    first: date
    last: date
    people: Sequence[Identity]
    inside: bool = True
    _seen: dict[tuple[UUID, date], list[AttendanceDay]] = field(default_factory=lambda: defaultdict(list))
    _corrected: dict[tuple[UUID, date], AttendanceCorrection] = field(default_factory=dict)
    _live: set[date] = field(default_factory=set)
    _today: date = field(init=False)
    _inside: dict[UUID, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        whose = {"identity__in": [person.pk for person in self.people]} if len(self.people) <= MANY else {}
        rows = AttendanceDay.objects.filter(gallery=self.gallery, **whose).between(self.first, self.last)
        for row in rows.select_related("camera").order_by("first_seen"):
            self._seen[row.identity_id, row.date].append(row)
        corrections = AttendanceCorrection.objects.in_force().filter(gallery=self.gallery, **whose)
        for correction in corrections.between(self.first, self.last).select_related("made_by"):
            self._corrected[correction.identity_id, correction.date] = correction
        self._live = days_with_pictures(self.gallery, self.first, self.last)
        self._today = day_of(self.gallery, timezone.now())
        if self.inside and self.first <= self._today <= self.last:
            self._inside = who_is_inside(self.gallery, self._today)

    def of(self, person: Identity, day: date) -> PersonDay:
        rows = self._seen.get((person.pk, day), [])
        correction = self._corrected.get((person.pk, day))
        first, last = (
            (min(row.first_seen for row in rows), max(row.last_seen for row in rows)) if rows else (None, None)
        )
        names = [row.camera.name if row.camera else "" for row in rows]
        latest = max(rows, key=lambda row: row.last_seen, default=None)
        if correction is not None:
            first, last = _corrected_times(self.gallery, correction, first, last)
        return PersonDay(
            identity=person,
            date=day,
            presence=self._presence(bool(rows), day, correction),
            first_seen=first,
            last_seen=last,
            cameras=tuple(dict.fromkeys(name for name in names if name)),
            first_camera=names[0] if names else "",
            last_camera=latest.camera.name if latest and latest.camera else "",
            sightings=sum(row.sightings for row in rows),
            inside=self._inside.get(person.pk) if day == self._today else None,
            correction=correction,
        )

    def _presence(self, seen: bool, day: date, correction: AttendanceCorrection | None) -> Presence:
        if correction is not None:
            return Presence(correction.presence)
        if seen:
            return Presence.PRESENT
        return Presence.ABSENT if day in self._live else Presence.NO_DATA


def _corrected_times(
    gallery: Gallery, correction: AttendanceCorrection, first: datetime | None, last: datetime | None
) -> tuple[datetime | None, datetime | None]:
    if correction.presence == Presence.ABSENT:
        return None, None
    came = time_on(gallery, correction.date, correction.came) if correction.came else first
    left = time_on(gallery, correction.date, correction.left) if correction.left else last
    return came, left


def people_of(gallery: Gallery, department: str = "") -> IdentityQuerySet:
    """Who is expected: active people that are not hidden."""
    rows = Identity.objects.filter(gallery=gallery, active=True, hidden=False)
    return (rows.filter(department=department) if department else rows).order_by("name", "pk")


def departments_of(gallery: Gallery) -> list[str]:
    rows = people_of(gallery).exclude(department="").order_by("department")
    return list(rows.values_list("department", flat=True).distinct())


def month_of(year: int, month: int) -> list[date]:
    """All its days."""
    return [date(year, month, day) for day in range(1, calendar.monthrange(year, month)[1] + 1)]


def days_with_pictures(gallery: Gallery, first: date, last: date) -> set[date]:
    """The days on which some camera gave pictures for some time."""
    start, end = bounds_of(gallery, first)[0], bounds_of(gallery, last)[1]
    periods = LivePeriod.objects.filter(gallery=gallery, began_at__lt=end, ended_at__gte=start)
    found: set[date] = set()
    for began, ended in periods.order_by("began_at").values_list("began_at", "ended_at"):
        day = max(first, day_of(gallery, began))
        while day <= min(last, day_of(gallery, ended)):
            found.add(day)
            day += DAY
    return found


def who_is_inside(gallery: Gallery, today: date) -> dict[UUID, bool]:
    """Of those who were seen at an entrance or an exit today: whether the last one was an entrance."""
    doors = dict(Camera.objects.filter(gallery=gallery).exclude(role=CameraRole.BOTH).values_list("pk", "role"))
    start, _ = bounds_of(gallery, today)
    seen = Sighting.objects.filter(gallery=gallery, camera__in=doors, identity__isnull=False, last_seen__gte=start)
    latest = seen.order_by("identity", "-last_seen").distinct("identity").values_list("identity", "camera")
    return {identity: doors[camera] == CameraRole.ENTRANCE for identity, camera in latest}


# --- CSV --------------------------------------------------------------------------------------------------------------
HEADER = (
    "date", "name", "external id", "department", "position", "presence", "first seen", "last seen", "first seen (UTC)",
    "last seen (UTC)", "first camera", "last camera", "sightings", "corrected", "reason",
)  # fmt: skip


def csv_lines(days: Days) -> Iterable[list[str]]:
    """The header, then a line for each person and day."""
    yield list(HEADER)
    day = days.first
    while day <= days.last:
        for person in days.people:
            yield _cells(days.gallery, days.of(person, day))
        day += DAY


def _cells(gallery: Gallery, row: PersonDay) -> list[str]:
    person, correction = row.identity, row.correction
    local = [
        at.astimezone(gallery.zone).isoformat(timespec="seconds") if at else ""
        for at in (row.first_seen, row.last_seen)
    ]
    utc = [at.astimezone(UTC).isoformat(timespec="seconds") if at else "" for at in (row.first_seen, row.last_seen)]
    return [
        row.date.isoformat(), person.name, person.external_id, person.department, person.position, row.presence.value,
        *local, *utc, row.first_camera, row.last_camera, str(row.sightings),
        "yes" if correction else "", correction.reason if correction else "",
    ]  # fmt: skip
