"""What is kept for how long: the categories, each gallery's rules, and what would be deleted today.

A category says which rows of a gallery belong to it, how old and how large they are, and how to delete them. Another kind
of data needs one more entry in CATEGORIES; the pages, API, command and daily job then include it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import F, Min, Q, QuerySet, Sum, Value
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from gallery.models import Gallery
from recognition.alerts.models import Alert, WebhookDelivery
from recognition.cameras.models import Sighting, SightingFace
from recognition.imports.models import Import, ImportRow
from recognition.photos.models import Decision, RecognitionFace, RecognitionRequest
from recognition.privacy.sightings import delete_old_sightings

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

KEEP, DEFAULT = "keep", "default"


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of data. rows: the finished rows of a gallery; age: the lookup to the time they count from; size: their size in
    bytes; delete: deletes rows, or the part of them that the category covers. own_days: the lookup to days that a row has of its
    own, which come before the gallery's.
    """

    label: "StrOrPromise"
    help: "StrOrPromise"
    rows: Callable[[Gallery], QuerySet[Any]]
    age: str
    size: Callable[[QuerySet[Any]], int]
    delete: Callable[[QuerySet[Any]], object]
    own_days: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """What is past its retention in a category. setting: days, “keep” or “default”; days: the days in force, None: for ever."""

    category: str
    label: str
    help: str
    setting: str
    days: int | None
    count: int
    oldest: datetime | None
    bytes: int


def settings_of(gallery: Gallery) -> dict[str, str]:
    """Each category's setting: days, “keep” or “default”."""
    rules = dict(gallery.retention_rules.values_list("category", "days"))
    return {name: (str(rules[name] or KEEP) if name in rules else DEFAULT) for name in CATEGORIES}


def days_in_force(setting: str) -> int | None:
    """The days that a setting means; None: for ever."""
    if setting == KEEP:
        return None
    return settings.REQUEST_RETENTION_DAYS if setting == DEFAULT else int(setting)


def due_rows(category: Category, gallery: Gallery, days: int | None) -> QuerySet[Any]:
    """Rows of the category that are older than `days`, or than their own days where they have some."""
    rows, now = category.rows(gallery), timezone.now()
    older = Q(pk__in=[]) if days is None else Q(**{f"{category.age}__lt": now - timedelta(days=days)})
    if not category.own_days:
        return rows.filter(older)
    own = Q(**{f"{category.age}__lt": Value(now) - F(category.own_days) * Value(timedelta(days=1))})
    return rows.filter(own | older & Q(**{category.own_days: None}))


def due_today(gallery: Gallery) -> Iterator[Due]:
    """The dry run. Each category is counted separately: a photo deleted with its recognition counts in both."""
    for name, setting in settings_of(gallery).items():
        category, days = CATEGORIES[name], days_in_force(setting)
        rows = due_rows(category, gallery, days)
        count = rows.count()
        yield Due(
            category=name,
            label=str(category.label),
            help=str(category.help),
            setting=setting,
            days=days,
            count=count,
            oldest=rows.aggregate(oldest=Min(category.age))["oldest"] if count else None,
            bytes=category.size(rows) if count else 0,
        )


# --- The categories ---------------------------------------------------------------------------------------------------
def _requests(gallery: Gallery) -> QuerySet[Any]:
    return RecognitionRequest.objects.filter(gallery=gallery, finished_at__isnull=False)


def _photos(gallery: Gallery) -> QuerySet[Any]:
    return _requests(gallery).filter(photo__isnull=False)


def _unknown_faces(gallery: Gallery) -> QuerySet[Any]:
    strangers = RecognitionFace.objects.filter(decision__in=[Decision.UNKNOWN, Decision.UNUSABLE])
    return strangers.filter(request__gallery=gallery, request__finished_at__isnull=False).exclude(crop=b"")


def _imports(gallery: Gallery) -> QuerySet[Any]:
    return gallery.imports.exclude(status=Import.Status.RUNNING).filter(finished_at__isnull=False)


def _sightings(*decisions: Decision) -> Callable[[Gallery], QuerySet[Any]]:
    return lambda gallery: Sighting.objects.filter(gallery=gallery, decision__in=decisions, closed=True)


def _alerts(gallery: Gallery) -> QuerySet[Any]:
    return Alert.objects.filter(gallery=gallery)


def _bytes_of(field: str) -> Callable[[QuerySet[Any]], int]:
    return lambda rows: rows.aggregate(total=Sum(Length(field)))["total"] or 0


def _size_of_requests(rows: QuerySet[Any]) -> int:
    faces = RecognitionFace.objects.filter(request__in=rows.values("pk").order_by())
    return _bytes_of("photo")(rows) + _bytes_of("crop")(faces)


def _size_of_sightings(rows: QuerySet[Any]) -> int:
    return _bytes_of("jpeg")(SightingFace.objects.filter(sighting__in=rows.values("pk").order_by()))


def _size_of_alerts(rows: QuerySet[Any]) -> int:
    return _bytes_of("body")(WebhookDelivery.objects.filter(alert__in=rows.values("pk").order_by()))


def _size_of_imports(rows: QuerySet[Any]) -> int:
    keys = rows.values("pk").order_by()
    uploads = rows.aggregate(total=Sum(Length("pieces__data")))["total"] or 0
    return uploads + _bytes_of("reason")(ImportRow.objects.filter(job__in=keys))


def _clear_photos(rows: QuerySet[Any]) -> None:
    rows.update(photo=None, keep_photo=False)


def _clear_faces(rows: QuerySet[Any]) -> None:
    """Keeps that there was a face and where, but not what it looked like."""
    rows.update(crop=b"", vector=None)


CATEGORIES = {
    "requests": Category(
        _("Recognitions"), _("Requests and their answers, with photo and faces."),
        _requests, "finished_at", _size_of_requests, lambda rows: rows.only("pk").delete(),
    ),
    "photos": Category(
        _("Photos"), _("Photos kept with a recognition. The faces and the answer are not deleted."),
        _photos, "finished_at", _bytes_of("photo"), _clear_photos,
    ),
    "unknown_faces": Category(
        _("Unknown faces"), _("Pictures and vectors of faces that were not recognised. The answer is not deleted."),
        _unknown_faces, "request__finished_at", _bytes_of("crop"), _clear_faces,
    ),
    "sightings": Category(
        _("Sightings"), _("Known people seen by cameras, with their faces. A camera may have days of its own."),
        _sightings(Decision.KNOWN), "last_seen", _size_of_sightings, delete_old_sightings, "camera__retention_days",
    ),
    "unknown_sightings": Category(
        _("Sightings of unknown people"), _("The same for faces nobody has named, and for unusable ones."),
        _sightings(Decision.UNKNOWN, Decision.UNUSABLE), "last_seen", _size_of_sightings, delete_old_sightings,
        "camera__unknown_retention_days",
    ),
    "alerts": Category(
        _("Alerts"), _("What rules have told, with the messages to webhooks."),
        _alerts, "raised_at", _size_of_alerts, lambda rows: rows.only("pk").delete(),
    ),
    "imports": Category(
        _("Imports"), _("Reports of imports, and uploads of unfinished ones."),
        _imports, "finished_at", _size_of_imports, lambda rows: rows.delete(),
    ),
}  # fmt: skip
