"""What all results share: the faces' rows, and the request's end."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from django.db import transaction
from django.utils import timezone

from recognition.engine.base import Face, PhotoAnalysis
from recognition.photos import queue
from recognition.photos.models import RecognitionFace, RecognitionRequest, Status


@transaction.atomic
def fail(*, request: RecognitionRequest, token: UUID, code: str, message: str) -> bool:
    """Gives a request up, with the reason. Returns False where the lease was lost meanwhile."""
    if not queue.hold(ids=[request.pk], token=token):
        return False
    queue.finish([ended(request, Status.FAILED, error_code=code, error_message=message)])
    return True


def ended(
    request: RecognitionRequest,
    status: Status,
    *,
    analysis: PhotoAnalysis | None = None,
    search: float | None = None,
    **fields,
) -> dict[str, Any]:
    """What `queue.finish` takes. search: milliseconds."""
    if analysis is not None:
        fields |= {
            "image_width": analysis.width,
            "image_height": analysis.height,
            "image_rotation": analysis.rotation,
            "timings_ms": _timings(request, analysis, {} if search is None else {"search": search}),
        }
    return {"id": str(request.pk), "status": status, **fields}


def wanted(request: RecognitionRequest, analysis: PhotoAnalysis) -> list[Face]:
    """The faces the request asks for: sure enough to be one, the largest first, so many at most."""
    least = request.options.get("min_detection_score") or 0
    return [face for face in analysis.faces if face.detection_score >= least][: request.options.get("max_faces")]


def face_row(request: RecognitionRequest, index: int, face: Face, **values) -> RecognitionFace:
    return RecognitionFace(
        request=request,
        index=index,
        box=face.box.as_list(),
        landmarks=points(face.landmarks),
        detection_score=round(face.detection_score, 4),
        quality_score=face.quality.score,
        reasons=list(face.quality.reasons),
        **values,
    )


def _timings(request: RecognitionRequest, analysis: PhotoAnalysis, more: dict[str, float]) -> dict[str, float]:
    return {
        "queued": milliseconds(request.created_at, request.claimed_at),
        **analysis.timings_ms,
        **more,
        "total": milliseconds(request.created_at, timezone.now()),
    }


def milliseconds(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds() * 1000, 2)


def points(landmarks: Iterable[np.ndarray]) -> list[list[float]]:
    return [[round(float(x), 2), round(float(y), 2)] for x, y in landmarks]
