"""Which distance still counts as the same person: given with the request, set for the gallery, or by its size."""

from dataclasses import dataclass

from gallery.models import Gallery, ThresholdSource
from recognition.installed import manifest_of

FROM_REQUEST = "request"


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
    """What `pack` advises for a gallery of this size."""
    identities = gallery.identities.proposed(gallery).count()
    by_size = manifest_of(pack).size_threshold(identities, gallery.target_fpir)
    return Threshold(by_size.distance, ThresholdSource.SIZE, by_size.extrapolated)
