"""What the page of the day shows. Reads only, few of them: a gallery may have many thousand people."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

from django.db.models import Count, DateTimeField, Max, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from gallery.models import Gallery, Identity
from gallery.querysets import GalleryQuerySet, IdentityQuerySet
from recognition.alerts.models import Alert
from recognition.attendance.days import day_of, start_of
from recognition.attendance.models import AttendanceDay
from recognition.attendance.report import people_of
from recognition.cameras.models import Camera, UnknownPerson
from recognition.cameras.querysets import UnknownPersonQuerySet
from recognition.cameras.words import CameraWords, words_of
from recognition.health.models import HealthFinding
from recognition.imports.models import Import

MOST_PEOPLE, MOST_UNKNOWN, MOST_ALERTS = 18, 12, 5
REFUSED_FOR = timedelta(days=7)  # photos that an import refused are told of for so long
NEEDS = ("strangers", "refused", "duplicates", "ending")


@dataclass(frozen=True, slots=True)
class Day:
    """A gallery's day: its date, and when it began."""

    gallery: Gallery
    date: date
    began: datetime

    @property
    def seen(self) -> Q:
        """Who was seen by a camera or recognised in a photo."""
        by_cameras = AttendanceDay.objects.filter(gallery=self.gallery, date=self.date).values("identity")
        return Q(last_recognized_at__gte=self.began) | Q(pk__in=by_cameras)

    def people(self) -> IdentityQuerySet:
        """Who is expected."""
        return people_of(self.gallery)

    def unknown(self) -> UnknownPersonQuerySet:
        return UnknownPerson.objects.filter(gallery=self.gallery, last_seen__gte=self.began).open().seen()


def today_of(gallery: Gallery) -> Day:
    day = day_of(gallery, timezone.now())
    return Day(gallery, day, start_of(gallery, day))


def figures_of(day: Day, *, may_enrol: bool) -> dict[str, int]:
    """seen, expected, unknown; for curators also what NEEDS names, and `review`, their sum. One query."""
    counts: dict[str, QuerySet[Any]] = {
        "expected": day.people(),
        "seen": day.people().filter(day.seen),
        "unknown": day.unknown(),
    }
    if may_enrol:
        counts |= _what_needs_somebody(day.gallery)
    row = cast(GalleryQuerySet, Gallery.objects.filter(pk=day.gallery.pk)).values(
        **{name: _count(rows) for name, rows in counts.items()}, **({"refused": _refused(day.gallery)} if may_enrol else {})
    )  # fmt: skip
    figures = row.first() or dict.fromkeys((*counts, "refused"), 0)  # the gallery may be gone by now
    return figures | ({"review": sum(figures[name] for name in NEEDS)} if may_enrol else {})


def _what_needs_somebody(gallery: Gallery) -> dict[str, QuerySet[Any]]:
    findings = HealthFinding.objects.filter(gallery=gallery, kind=HealthFinding.Kind.DUPLICATE, dismissed_at=None)
    return {
        "strangers": UnknownPerson.objects.filter(gallery=gallery, sightings_count__gt=1).open(),
        "duplicates": findings.current(),
        "ending": Identity.objects.filter(gallery=gallery, active=True).consent_ending(),
    }


def _count(rows: QuerySet[Any]) -> Coalesce:
    """How many there are, whatever the outer row."""
    return Coalesce(Subquery(rows.order_by().values("gallery").annotate(many=Count("pk")).values("many")), 0)


def _refused(gallery: Gallery) -> Coalesce:
    """Photos that imports refused lately."""
    lately = Import.objects.filter(gallery=gallery, created_at__gt=timezone.now() - REFUSED_FOR).order_by()
    return Coalesce(Subquery(lately.values("gallery").annotate(many=Sum("refused")).values("many")), 0)


def seen_and_missing(day: Day) -> tuple[list[Identity], list[Identity]]:
    """Who was seen, the latest first, each with `seen_at`; and who was not yet, by name. With portraits, in one query."""
    by_cameras = AttendanceDay.objects.filter(identity=OuterRef("pk"), date=day.date).order_by().values("identity")
    latest = Subquery(by_cameras.annotate(latest=Max("last_seen")).values("latest"))
    people, never = day.people().with_portrait(), Value(None, DateTimeField())
    seen = people.filter(day.seen).annotate(seen_at=Greatest("last_recognized_at", latest))
    missing = people.exclude(day.seen).annotate(seen_at=never)
    seen, missing = seen.order_by("-seen_at", "name", "pk")[:MOST_PEOPLE], missing[:MOST_PEOPLE]
    rows = list(seen.union(missing, all=True).order_by("-seen_at", "name", "pk"))
    return [row for row in rows if row.seen_at], [row for row in rows if not row.seen_at]


def unknown_people(day: Day) -> QuerySet[UnknownPerson]:
    """Those seen today whom nobody has named, the latest first, each with the best face."""
    return day.unknown().with_best_face().order_by("-last_seen", "-pk")[:MOST_UNKNOWN]


def cameras_of(gallery: Gallery) -> list[tuple[Camera, CameraWords]]:
    return [(row, words_of(row)) for row in Camera.objects.filter(gallery=gallery).with_state().with_picture()]


def latest_alerts(gallery: Gallery) -> QuerySet[Alert]:
    return Alert.objects.filter(gallery=gallery).with_all().order_by("-raised_at", "-pk")[:MOST_ALERTS]


def begins_with_today(gallery: Gallery) -> bool:
    """Whether the gallery opens with the page of the day: once it has a camera, or somebody was recognised in it."""
    return (
        Camera.objects.filter(gallery=gallery).exists()
        or Identity.objects.filter(gallery=gallery, last_recognized_at__isnull=False).exists()
    )
