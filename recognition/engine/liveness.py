"""A hint whether a face is a person before the camera or a picture held up to it. Off the path of whoever did not ask for it.

Its packs, and what follows from a score; liveness_nets.py computes it. A hint, no certified detection of presentation attacks:
see docs/liveness.md. Imports no MXNet.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from recognition.engine.base import Face
from recognition.engine.manifest import check_files, read_manifest

PACK = "liveness-minifas"
MANIFEST = "liveness.json"  # under a name of its own: such a pack recognises nobody, and is listed nowhere as if it did
LIVE_FROM = 0.5  # the score from which a face counts as live
REFUSED = "presentation_attack"


@dataclass(frozen=True, slots=True)
class LivenessManifest:
    """What liveness.json holds. nets: name → how many times as large as the face's box its picture is. sources, files: as in
    Manifest."""

    name: str
    title: str
    licence: str
    commercial_use: bool
    nets: dict[str, float]
    sources: list[dict[str, str]]
    files: dict[str, str]


def verify_liveness(pack_dir: Path) -> LivenessManifest:
    """Checks the sha256 of every file of the pack. Raises PackError."""
    manifest = read_manifest(pack_dir / MANIFEST, lambda content: LivenessManifest(**content))
    check_files(pack_dir, manifest.files)
    return manifest


def write_liveness(manifest: LivenessManifest, pack_dir: Path) -> None:
    (pack_dir / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1) + "\n")


def refused(face: Face) -> Face:
    """The face, not to be used if its score is low: it may be a picture. One without a score stays as it is."""
    if face.liveness is None or face.liveness >= LIVE_FROM:
        return face
    quality = replace(face.quality, usable=False, reasons=(*face.quality.reasons, REFUSED))
    return replace(face, quality=quality)
