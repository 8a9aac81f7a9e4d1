"""Recognitions and enrolments as the API, the command line and the pages show them, in the shape of docs/api.md."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext_noop

from faceplatform.errors import DomainError
from gallery.api import SampleSerializer
from gallery.models import Identity
from recognition.photos.liveness import liveness_as_dict
from recognition.photos.models import Candidate, Decision, RecognitionFace, RecognitionRequest, Status

WAITS_FOR = "a worker with the model pack {pack}"

ENROLMENT_STATUS: dict[str, str] = {Status.DONE: gettext_noop("enrolled"), Status.FAILED: gettext_noop("refused")}
PENDING = gettext_noop("pending")


def recognition_as_dict(request: RecognitionRequest) -> dict[str, Any]:
    """Takes a request loaded with `with_results()`; runs no query."""
    return {
        "id": str(request.pk),
        "status": request.status,
        "gallery": request.gallery.slug,
        "pack": request.pack,
        "waits_for": waits_for(request),
        "created_at": request.created_at.isoformat(),
        "photo": request.photo_name,
        "image": image_as_dict(request),
        "threshold": threshold_as_dict(request),
        "faces": [face_as_dict(face, request) for face in request.final_faces],
        "timings_ms": request.timings_ms,
        "warnings": request.warnings,
        "error": error_as_dict(request.error_code, request.error_message),
    }


def refused_as_dict(*, photo_name: str, gallery_slug: str, pack: str, error: DomainError) -> dict[str, Any]:
    """The same shape for a photo that was refused before it became a request."""
    return {
        "id": None,
        "status": "failed",
        "gallery": gallery_slug,
        "pack": pack,
        "waits_for": None,
        "created_at": None,
        "photo": photo_name,
        "image": None,
        "threshold": None,
        "faces": [],
        "timings_ms": {},
        "warnings": [],
        "error": error_as_dict(error.code, error.message),
    }


def enrolment_as_dict(requests: Iterable[RecognitionRequest]) -> dict[str, Any]:
    """What became of each photo submitted for enrolment. Takes requests loaded with `enrolments()`."""
    results = [_enrolment_result(request) for request in requests]
    counts = Counter(result["status"] for result in results)
    return {**{status: counts[status] for status in ("enrolled", "refused", "pending")}, "results": results}


def _enrolment_result(request: RecognitionRequest) -> dict[str, Any]:
    return {
        "photo": request.photo_name,
        "status": ENROLMENT_STATUS.get(request.status, PENDING),
        "waits_for": waits_for(request),
        "sample": SampleSerializer(request.sample).data if request.sample else None,
        "warnings": [*request.warnings, *request.sample.quality["reasons"]] if request.sample else [],
        "error": error_as_dict(request.error_code, request.error_message),
    }


def waits_for(request: RecognitionRequest) -> str | None:
    """What a waiting photo lacks; None if it only waits its turn. Takes a request with `with_served()`."""
    return None if request.served else WAITS_FOR.format(pack=request.pack)


def image_as_dict(request: RecognitionRequest) -> dict[str, int] | None:
    """The size of the photo in px; None if it was not decoded."""
    if request.image_width is None:
        return None
    width, height = request.photo_size
    return {"width": width, "height": height}


def threshold_as_dict(request: RecognitionRequest) -> dict[str, Any] | None:
    """The threshold that decided a recognition; None if there is no decision."""
    if request.threshold_distance is None:
        return None
    return {"distance": round(request.threshold_distance, 4), "source": request.threshold_source}


def error_as_dict(code: str, message: str) -> dict[str, str] | None:
    """Why a request failed; None if it did not."""
    return {"code": code, "detail": message} if code else None


def face_as_dict(face: RecognitionFace, request: RecognitionRequest) -> dict[str, Any]:
    """A recognised face as things are now: merged people under their present name, without deleted or rejected ones.

    Takes a face of a request loaded with `with_results()`.
    """
    rejected = _rejected(face)
    candidates = _current_candidates(face, rejected)
    decision, identity = _current_decision(face, request, rejected, candidates)
    return {
        **detected_face_as_dict(face, request),
        "decision": decision,
        "identity": identity_as_dict(identity) if identity else None,
        "candidates": [
            {
                "identity": identity_as_dict(identity),
                "distance": round(candidate.distance, 4),
                "mean_distance": None if candidate.mean_distance is None else round(candidate.mean_distance, 4),
                "score": round(candidate.score, 4),
                "sample_id": str(candidate.sample_id)
                if candidate.sample_id and not candidate.sample_deleted_at
                else None,
            }
            for candidate, identity in candidates
        ],
        "rejected": [identity_as_dict(identity) for identity in sorted(rejected, key=str)],
        "margin": None if face.margin is None else round(face.margin, 4),
        "liveness": liveness_as_dict([face.liveness]),
    }


def decision_now(face: RecognitionFace, request: RecognitionRequest) -> tuple[str | None, Identity | None]:
    """The decision and who it is, after corrections. Takes a face of a request loaded with `with_results()`."""
    rejected = _rejected(face)
    return _current_decision(face, request, rejected, _current_candidates(face, rejected))


def detected_face_as_dict(face: RecognitionFace, request: RecognitionRequest) -> dict[str, Any]:
    """Where a face is and how good it is."""
    return {
        "index": face.index,
        "box": box_as_dict(face.box, *request.photo_size),
        "landmarks": face.landmarks,
        "detection_score": face.detection_score,
        "quality": {"score": face.quality_score, "reasons": face.reasons},
    }


def _rejected(face: RecognitionFace) -> set[Identity]:
    """Whom a curator has said that it is not."""
    people = (row.sample.identity.current for row in face.rejections.all())
    return {identity for identity in people if identity}


def _current_candidates(face: RecognitionFace, rejected: set[Identity]) -> list[tuple[Candidate, Identity]]:
    """The candidates and who they are now, each person once."""
    candidates: dict[Identity, Candidate] = {}
    for candidate in face.candidates.all():
        identity = candidate.identity.current
        if identity and identity not in rejected:
            candidates.setdefault(identity, candidate)
    return [(candidate, identity) for identity, candidate in candidates.items()]


def _current_decision(
    face: RecognitionFace,
    request: RecognitionRequest,
    rejected: set[Identity],
    candidates: list[tuple[Candidate, Identity]],
) -> tuple[str | None, Identity | None]:
    """The decision and who it is. If that person was rejected: the next candidate within the threshold, or unknown."""
    identity = face.identity.current if face.identity else None
    if identity not in rejected:
        return face.decision, identity
    assert request.threshold_distance is not None  # a face with an identity was decided by one
    for candidate, other in candidates:
        if candidate.distance <= request.threshold_distance:
            return Decision.KNOWN, other
    return Decision.UNKNOWN, None


def box_as_dict(box: list[float], width: int, height: int) -> dict[str, dict[str, float]]:
    """box: x, y, width, height in px. Returns it in px and as fractions of the image, whose size is in px too."""
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


def identity_as_dict(identity: Identity) -> dict[str, str]:
    """A person as an answer refers to them."""
    return {"id": str(identity.pk), "name": identity.name, "external_id": identity.external_id}
