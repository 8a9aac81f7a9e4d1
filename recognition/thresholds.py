"""Which distance still counts as the same person: given with the request, set for the gallery, or by its size."""

from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

from faceplatform.errors import Unavailable
from gallery.models import Gallery, ThresholdSource
from recognition.packs.manifest import Manifest, PackError, load_manifest

FROM_REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Threshold:
    """distance: L2 between embeddings. source: size | calibrated | manual | request. extrapolated: beyond the pack's data."""

    distance: float
    source: str
    extrapolated: bool = False


@lru_cache(maxsize=16)
def _manifest(pack: str, _modified: float) -> Manifest:
    return load_manifest(settings.MODELS_DIR / pack)


def manifest_of(pack: str) -> Manifest:
    """The installed pack's manifest, read again when the file changes. Raises Unavailable (pack_not_installed)."""
    path = settings.MODELS_DIR / pack / "manifest.json"
    try:
        return _manifest(pack, path.stat().st_mtime)
    except (OSError, PackError) as error:
        message = f"The model pack “{pack}” is not installed or damaged. Run: manage.py packs install {pack}"
        raise Unavailable(message, code="pack_not_installed") from error


def threshold_of(gallery: Gallery, requested: float | None = None) -> Threshold:
    """The threshold in force in `gallery`, or `requested`."""
    if requested is not None:
        return Threshold(requested, FROM_REQUEST)
    if gallery.threshold_source != ThresholdSource.SIZE:
        return Threshold(gallery.threshold_distance, gallery.threshold_source)
    identities = gallery.identities.filter(active=True).count()
    by_size = manifest_of(gallery.pack).size_threshold(identities, gallery.target_fpir)
    return Threshold(by_size.distance, ThresholdSource.SIZE, by_size.extrapolated)
