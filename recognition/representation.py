"""A recognition as the API, the command line and the pages show it: the shape of docs/api.md."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from gallery.api import SampleSerializer
from recognition.models import RecognitionFace, RecognitionRequest, Status


def recognition_as_dict(request: RecognitionRequest) -> dict[str, Any]:
    """Takes a request loaded with `with_results()`; runs no query."""
    return {
        "id": str(request.pk),
        "status": request.status,
        "gallery": request.gallery.slug,
        "pack": request.pack,
        "created_at": request.created_at.isoformat(),
        "photo": request.photo_name,
        "image": image_as_dict(request),
        "threshold": threshold_as_dict(request),
        "faces": [face_as_dict(face, request) for face in request.faces.all()],
        "timings_ms": request.timings_ms,
        "error": error_as_dict(request.error_code, request.error_message),
    }


def unaccepted_as_dict(*, photo_name: str, gallery_slug: str, pack: str, error) -> dict[str, Any]:
    """The same shape for a photo that was refused before there was a request."""
    return {
        "id": None,
        "status": "failed",
        "gallery": gallery_slug,
        "pack": pack,
        "created_at": None,
        "photo": photo_name,
        "image": None,
        "threshold": None,
        "faces": [],
        "timings_ms": {},
        "error": error_as_dict(error.code, error.message),
    }


def enrolment_as_dict(requests: Iterable[RecognitionRequest]) -> dict[str, Any]:
    """What became of each photo handed in for enrolment; takes requests from `enrolments()`."""
    results = [_enrolment_result(request) for request in requests]
    counts = Counter(result["status"] for result in results)
    return {**{status: counts[status] for status in ("enrolled", "refused", "pending")}, "results": results}


def _enrolment_result(request: RecognitionRequest) -> dict[str, Any]:
    status = {Status.DONE: "enrolled", Status.FAILED: "refused"}.get(request.status, "pending")
    return {
        "photo": request.photo_name,
        "status": status,
        "sample": SampleSerializer(request.sample).data if request.sample else None,
        "warnings": request.sample.quality["reasons"] if request.sample else [],
        "error": error_as_dict(request.error_code, request.error_message),
    }


def image_as_dict(request: RecognitionRequest) -> dict[str, int] | None:
    if request.image_width is None:
        return None
    return {"width": request.image_width, "height": request.image_height}


def threshold_as_dict(request: RecognitionRequest) -> dict[str, Any] | None:
    if request.threshold_distance is None:
        return None
    return {"distance": round(request.threshold_distance, 4), "source": request.threshold_source}


def error_as_dict(code: str, message: str) -> dict[str, str] | None:
    return {"code": code, "detail": message} if code else None


def face_as_dict(face: RecognitionFace, request: RecognitionRequest) -> dict[str, Any]:
    return {
        "index": face.index,
        "box": box_as_dict(face.box, request.image_width, request.image_height),
        "landmarks": face.landmarks,
        "detection_score": face.detection_score,
        "quality": {"score": face.quality_score, "reasons": face.reasons},
        "decision": face.decision,
        "identity": identity_as_dict(face.identity) if face.identity else None,
        "candidates": [
            {
                "identity": identity_as_dict(candidate.identity),
                "distance": round(candidate.distance, 4),
                "score": round(candidate.score, 4),
                "sample_id": str(candidate.sample_id) if candidate.sample_id else None,
            }
            for candidate in face.candidates.all()
        ],
        "margin": None if face.margin is None else round(face.margin, 4),
    }


def box_as_dict(box: list[float], width: int, height: int) -> dict[str, dict[str, float]]:
    """box: x, y, width, height in px. Gives it in px and as shares of the image."""
    x, y, w, h = box
    return {
        "pixels": {"x": x, "y": y, "width": w, "height": h},
        "normalized": {
            "left": round(x / width, 5),
            "top": round(y / height, 5),
            "width": round(w / width, 5),
            "height": round(h / height, 5),
        },
    }


def identity_as_dict(identity) -> dict[str, str]:
    return {"id": str(identity.pk), "name": identity.name, "external_id": identity.external_id}
