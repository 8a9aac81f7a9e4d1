"""Which distance still counts as the same person: given with the request, set for the gallery, or by its size."""

import time
from dataclasses import dataclass
from uuid import UUID

from gallery.models import Gallery, ThresholdSource
from gallery.search.query import count_faces
from recognition.photos.installed_packs import manifest_of

FROM_REQUEST = "request"
MANY = 2_000  # faces; so many are counted again after COUNTED_FOR only, as some more hardly move the threshold
COUNTED_FOR = 60.0  # seconds
_counted: dict[UUID, tuple[float, int]] = {}


@dataclass(frozen=True, slots=True)
class Threshold:
    """distance: L2 between embeddings. source: size | calibrated | manual | request. extrapolated: beyond the pack's data."""

    distance: float
    source: str
    extrapolated: bool = False


def threshold_of(gallery: Gallery, requested: float | None = None) -> Threshold:
    """The threshold in force in `gallery`, or `requested`."""
    if requested is not None:
        return Threshold(requested, FROM_REQUEST)
    if gallery.threshold_source != ThresholdSource.SIZE:
        return Threshold(gallery.threshold_distance, gallery.threshold_source)
    return size_threshold(gallery, gallery.pack)


def size_threshold(gallery: Gallery, pack: str) -> Threshold:
    """What `pack` advises for a gallery of this size.

    A stranger is compared with every face, so somebody with ten of them is ten chances to be mistaken for. Faces of one
    person are alike, so this is on the safe side.
    """
    by_size = manifest_of(pack).size_threshold(_faces_in(gallery), gallery.target_fpir)
    return Threshold(by_size.distance, ThresholdSource.SIZE, by_size.extrapolated)


def _faces_in(gallery: Gallery) -> int:
    """As a search counts them."""
    at, count = _counted.get(gallery.pk, (0.0, 0))
    if count < MANY or time.monotonic() - at > COUNTED_FOR:
        count = count_faces(gallery_id=gallery.pk)
        _counted[gallery.pk] = time.monotonic(), count
    return count
