"""The packs installed here, read from their manifests; no model is loaded."""

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from faceplatform.errors import Unavailable
from recognition.engine.manifest import Manifest, PackError, load_manifest


@lru_cache(maxsize=16)
def _manifest(pack: str, _modified: float) -> Manifest:
    return load_manifest(settings.MODELS_DIR / pack)


def manifest_of(pack: str) -> Manifest:
    """The manifest of an installed pack, read again when the file changes. Raises Unavailable (pack_not_installed)."""
    path = settings.MODELS_DIR / pack / "manifest.json"
    try:
        return _manifest(pack, path.stat().st_mtime)
    except (OSError, PackError) as error:
        message = _("The model pack “%(pack)s” is missing or damaged. Run: manage.py packs install %(pack)s")
        raise Unavailable(message % {"pack": pack}, code="pack_not_installed") from error


def installed_manifests() -> list[Manifest]:
    """All packs by name. Damaged ones are left out, as nothing can use them."""
    manifests = []
    for path in sorted(settings.MODELS_DIR.glob("*/manifest.json")):
        try:
            manifests.append(manifest_of(path.parent.name))
        except Unavailable:
            continue
    return manifests


def pack_as_dict(manifest: Manifest) -> dict[str, Any]:
    """A pack as the API and the pages show it."""
    return {
        "name": manifest.name,
        "title": manifest.title,
        "detector": manifest.detector,
        "embedder": manifest.embedder,
        "dim": manifest.dim,
        "metric": manifest.metric,
        "licence": manifest.licence,
        "commercial_use": manifest.commercial_use,
        "threshold_1to1": manifest.threshold_1to1,
        "measured_on": manifest.measured_on,
        "advised_faces": manifest.advised_faces(),
        "default": manifest.name == settings.DEFAULT_PACK,
    }
