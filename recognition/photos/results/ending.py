"""What all results share: the rows of the faces, and how the request ends."""

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
    """Ends a request as failed, with the reason. Returns False, and writes nothing, if the lease has been lost."""
    if not queue.hold(ids=[request.pk], token=token):
        return False
    queue.finish([outcome(request, Status.FAILED, error_code=code, error_message=message)])
    return True


def outcome(
    request: RecognitionRequest,
    status: Status,
    *,
    analysis: PhotoAnalysis | None = None,
    search: float | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """A request's entry for `queue.finish`. search: milliseconds the search took. fields: further columns."""
    if analysis is not None:
        fields |= {
            "image_width": analysis.width,
            "image_height": analysis.height,
            "image_rotation": analysis.rotation,
            "warnings": list(analysis.warnings),
            "timings_ms": _timings(request, analysis, {} if search is None else {"search": search}),
        }
    return {"id": str(request.pk), "status": status, **fields}


def select_faces(request: RecognitionRequest, analysis: PhotoAnalysis) -> list[Face]:
    """The faces the request asks for: the largest `max_faces` of those with at least `min_detection_score`."""
    min_score = request.options.get("min_detection_score") or 0
    return [face for face in analysis.faces if face.detection_score >= min_score][: request.options.get("max_faces")]


def face_row(request: RecognitionRequest, index: int, face: Face, **values: Any) -> RecognitionFace:
    """A face as it is stored, not saved yet. values: the other columns."""
    return RecognitionFace(
        request=request,
        index=index,
        box=face.box.as_list(),
        landmarks=points(face.landmarks),
        detection_score=round(face.detection_score, 4),
        quality_score=face.quality.score,
        reasons=list(face.quality.reasons),
        liveness=None if face.liveness is None else round(face.liveness, 4),
        **values,
    )


def _timings(request: RecognitionRequest, analysis: PhotoAnalysis, more: dict[str, float]) -> dict[str, float]:
    assert request.claimed_at is not None  # only a claimed request has results
    return {
        "queued": milliseconds(request.created_at, request.claimed_at),
        **analysis.timings_ms,
        **more,
        "total": milliseconds(request.created_at, timezone.now()),
    }


def milliseconds(start: datetime, end: datetime) -> float:
    """From `start` to `end`, to two decimals."""
    return round((end - start).total_seconds() * 1000, 2)


def points(landmarks: Iterable[np.ndarray]) -> list[list[float]]:
    """Landmarks, float32 (5, 2), as lists of [x, y], to two decimals."""
    return [[round(float(x), 2), round(float(y), 2)] for x, y in landmarks]
