"""What is kept for how long: the categories, each gallery's rules, and what would go today.

A category says which rows of a gallery it is about, how old each is, how large, and how they go. Another kind of data
(sightings of cameras, say) joins by one more entry in CATEGORIES; pages, API, command and daily job follow.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Min, QuerySet, Sum
from django.db.models.functions import Length
from django.utils import timezone

from gallery.models import Gallery
from recognition.imports.models import Import, ImportRow
from recognition.photos.models import Decision, RecognitionFace, RecognitionRequest

KEEP, DEFAULT = "keep", "default"


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of data. rows: those of a gallery, finished; age: the lookup to their moment; drop: what makes rows go."""

    label: str
    help: str
    rows: Callable[[Gallery], QuerySet]
    age: str
    size: Callable[[QuerySet], int]
    drop: Callable[[QuerySet], object]


@dataclass(frozen=True, slots=True)
class Due:
    """What of a category is past its time. setting: days, “keep” or “default”; days: as they are in force, None for ever."""

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
    """None: for ever."""
    if setting == KEEP:
        return None
    return settings.REQUEST_RETENTION_DAYS if setting == DEFAULT else int(setting)


def due_rows(category: Category, gallery: Gallery, days: int | None) -> QuerySet:
    """Rows past their time."""
    rows = category.rows(gallery)
    if days is None:
        return rows.none()
    return rows.filter(**{f"{category.age}__lt": timezone.now() - timedelta(days=days)})


def due_today(gallery: Gallery) -> Iterator[Due]:
    """The dry run. Each category by itself: a photo that goes with its recognition counts in both."""
    for name, setting in settings_of(gallery).items():
        category, days = CATEGORIES[name], days_in_force(setting)
        rows = due_rows(category, gallery, days)
        count = rows.count()
        yield Due(
            category=name,
            label=category.label,
            help=category.help,
            setting=setting,
            days=days,
            count=count,
            oldest=rows.aggregate(oldest=Min(category.age))["oldest"] if count else None,
            bytes=category.size(rows) if count else 0,
        )


# --- The categories ---------------------------------------------------------------------------------------------------
def _requests(gallery: Gallery) -> QuerySet:
    return RecognitionRequest.objects.filter(gallery=gallery, finished_at__isnull=False)


def _photos(gallery: Gallery) -> QuerySet:
    return _requests(gallery).filter(photo__isnull=False)


def _unknown_faces(gallery: Gallery) -> QuerySet:
    strangers = RecognitionFace.objects.filter(decision__in=[Decision.UNKNOWN, Decision.UNUSABLE])
    return strangers.filter(request__gallery=gallery, request__finished_at__isnull=False).exclude(crop=b"")


def _imports(gallery: Gallery) -> QuerySet:
    return gallery.imports.exclude(status=Import.Status.RUNNING).filter(finished_at__isnull=False)


def _bytes_of(field: str) -> Callable[[QuerySet], int]:
    return lambda rows: rows.aggregate(total=Sum(Length(field)))["total"] or 0


def _size_of_requests(rows: QuerySet) -> int:
    faces = RecognitionFace.objects.filter(request__in=rows.values("pk").order_by())
    return _bytes_of("photo")(rows) + _bytes_of("crop")(faces)


def _size_of_imports(rows: QuerySet) -> int:
    keys = rows.values("pk").order_by()
    uploads = rows.aggregate(total=Sum(Length("pieces__data")))["total"] or 0
    return uploads + _bytes_of("reason")(ImportRow.objects.filter(job__in=keys))


def _forget_photos(rows: QuerySet) -> None:
    rows.update(photo=None, keep_photo=False)


def _forget_faces(rows: QuerySet) -> None:
    """That there was a face, and where, stays; what it looked like goes."""
    rows.update(crop=b"", vector=None)


CATEGORIES = {
    "requests": Category(
        "Recognitions", "What was asked and answered, with its photo and faces.",
        _requests, "finished_at", _size_of_requests, lambda rows: rows.only("pk").delete(),
    ),
    "photos": Category(
        "Photos", "Photos kept with a recognition; the faces and the answer stay.",
        _photos, "finished_at", _bytes_of("photo"), _forget_photos,
    ),
    "unknown_faces": Category(
        "Unknown faces", "Pictures and vectors of faces that were nobody's; the answer stays.",
        _unknown_faces, "request__finished_at", _bytes_of("crop"), _forget_faces,
    ),
    "imports": Category(
        "Imports", "Reports of imports, and uploads that were not finished.",
        _imports, "finished_at", _size_of_imports, lambda rows: rows.delete(),
    ),
}  # fmt: skip
