"""The largest distance that counts as the same person: sent with the request, set for the gallery, or from its size."""

import time
from dataclasses import dataclass
from uuid import UUID

from gallery.models import Gallery, ThresholdSource
from gallery.search.query import count_faces
from recognition.photos.installed_packs import manifest_of

FROM_REQUEST = "request"
LARGE = 2_000  # faces; from here on a count is used for COUNT_VALID_FOR, as a few faces more hardly move the threshold
COUNT_VALID_FOR = 60.0  # seconds
_counts: dict[UUID, tuple[float, int]] = {}  # gallery → when it was counted, and how many faces it had


@dataclass(frozen=True, slots=True)
class Threshold:
    """distance: L2 between embeddings. source: size, calibrated, manual or request.

    extrapolated: whether a threshold by size lies beyond the pairs that its pack was measured on.
    """

    distance: float
    source: str
    extrapolated: bool = False


def threshold_of(gallery: Gallery, requested: float | None = None, *, counted_within: float = 0.0) -> Threshold:
    """`requested`, or else the threshold in force in `gallery`. Raises Unavailable (pack_not_installed).

    counted_within: seconds for which this process may use a count of the gallery's faces, for callers that ask all the time.
    """
    if requested is not None:
        return Threshold(requested, FROM_REQUEST)
    if gallery.threshold_distance is not None:  # null if the source is size
        return Threshold(gallery.threshold_distance, gallery.threshold_source)
    return size_threshold(gallery, gallery.pack, counted_within=counted_within)


def size_threshold(gallery: Gallery, pack: str, *, counted_within: float = 0.0) -> Threshold:
    """What `pack` advises for a gallery with this many faces. Raises Unavailable (pack_not_installed).

    Faces are counted, not people: a stranger is compared with every face, so a person with ten of them is ten chances of
    a mistake. As the faces of one person are alike, this errs on the safe side.
    """
    by_size = manifest_of(pack).size_threshold(_face_count(gallery, counted_within), gallery.target_fpir)
    return Threshold(by_size.distance, ThresholdSource.SIZE, by_size.extrapolated)


def expected_tar(gallery: Gallery, pack: str) -> float | None:
    """The share of photos of enrolled people that `pack` is expected to recognise in a gallery of this size and FPIR, by the
    photos it was measured on; None where nobody has measured that. Raises Unavailable (pack_not_installed)."""
    return manifest_of(pack).tar_among(_face_count(gallery), gallery.target_fpir)


def _face_count(gallery: Gallery, counted_within: float = 0.0) -> int:
    """The number of faces that a search compares with."""
    counted_at, count = _counts.get(gallery.pk, (float("-inf"), 0))
    if time.monotonic() - counted_at >= (COUNT_VALID_FOR if count >= LARGE else counted_within):
        count = count_faces(gallery_id=gallery.pk)
        _counts[gallery.pk] = time.monotonic(), count
    return count
