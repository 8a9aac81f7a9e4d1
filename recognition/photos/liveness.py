"""What a gallery makes of faces that may be pictures held up to a camera, and how their scores are shown."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings

from gallery.models import Gallery, Liveness
from recognition.engine.base import Face
from recognition.engine.liveness import LIVE_FROM, MANIFEST, PACK, refused
from recognition.photos.models import Purpose, RecognitionRequest

LIVE, SPOOF = "live", "spoof"
DECISIONS = (LIVE, SPOOF)


def asks(request: RecognitionRequest) -> bool:
    """Whether the faces of a photo are to be checked: of live pictures, where the gallery has that switched on."""
    return request.purpose == Purpose.LIVE and request.gallery.liveness != Liveness.OFF


def judged(faces: Iterable[Face], gallery: Gallery) -> list[Face]:
    """The faces as the gallery takes them: where it refuses pictures, such a face is unusable."""
    return [refused(face) if gallery.liveness == Liveness.REFUSE else face for face in faces]


def liveness_as_dict(scores: Sequence[float | None]) -> dict[str, Any] | None:
    """The mean of the scores of a face, or of several of one person, as API and pages show it; None if there is none."""
    known = [score for score in scores if score is not None]
    if not known:
        return None
    score = sum(known) / len(known)
    return {"score": round(score, 4), "decision": LIVE if score >= LIVE_FROM else SPOOF}


def is_installed() -> bool:
    """Whether the pack that checks them is there. Without it faces have no score, and nothing else changes."""
    return (settings.MODELS_DIR / PACK / MANIFEST).is_file()
