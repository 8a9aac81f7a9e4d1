"""What a threshold would do: how careful a gallery could be, and what had been decided otherwise lately. Reads only."""

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.models import Gallery, ThresholdSource
from gallery.search.query import count_faces
from recognition.engine.manifest import SizeThreshold
from recognition.photos.installed_packs import manifest_of
from recognition.photos.models import Candidate, Decision, RecognitionRequest

FPIRS = (0.0001, 0.001, 0.005, 0.01, 0.02, 0.05)  # the share of strangers who may be mistaken for somebody
DAYS, MOST_PHOTOS = 30, 2000


@dataclass(frozen=True, slots=True)
class Choice:
    """A gallery that follows its size, at one FPIR. expected: the share of photos of its people that are recognised; None where
    nobody measured it. lost, gained: of the latest photos' faces, how many would not be known any more, or would be known."""

    fpir: float
    threshold: SizeThreshold
    expected: float | None
    lost: int
    gained: int
    is_in_force: bool

    @property
    def words(self) -> str:
        return one_in(self.fpir)


def one_in(fpir: float) -> str:
    return _("1 in %(count)s strangers") % {"count": intcomma(round(1 / fpir))}


def choices_of(gallery: Gallery) -> list[Choice]:
    """From the most careful on. Raises Unavailable (pack_not_installed)."""
    fpirs = sorted({*FPIRS, gallery.target_fpir})
    manifest, faces = manifest_of(gallery.pack), count_faces(gallery_id=gallery.pk)
    thresholds = [manifest.size_threshold(faces, fpir) for fpir in fpirs]
    changes = _decided_otherwise(gallery, [threshold.distance for threshold in thresholds])
    by_size = gallery.threshold_source == ThresholdSource.SIZE
    return [
        Choice(
            fpir=fpir,
            threshold=threshold,
            expected=manifest.tar_at(threshold.distance),
            lost=lost,
            gained=gained,
            is_in_force=by_size and fpir == gallery.target_fpir,
        )
        for fpir, threshold, (lost, gained) in zip(fpirs, thresholds, changes, strict=True)
    ]


def _decided_otherwise(gallery: Gallery, distances: list[float]) -> list[tuple[int, int]]:
    """For each threshold how many faces of the latest photos would not be known any more, and how many would be. One query."""
    lately = RecognitionRequest.objects.filter(gallery=gallery, created_at__gt=timezone.now() - timedelta(days=DAYS))
    photos = lately.recognitions().order_by("-id").values("pk")[:MOST_PHOTOS]
    nearest = Candidate.objects.filter(rank=0, face__request__in=photos, face__request__pack=gallery.pack)
    known, unknown = Q(face__decision=Decision.KNOWN), Q(face__decision=Decision.UNKNOWN)
    counts = {}
    for number, distance in enumerate(distances):
        counts[f"lost{number}"] = Count("pk", filter=known & Q(distance__gt=distance))
        counts[f"gained{number}"] = Count("pk", filter=unknown & Q(distance__lte=distance))
    found = nearest.aggregate(**counts)
    return [(found[f"lost{number}"], found[f"gained{number}"]) for number in range(len(distances))]
