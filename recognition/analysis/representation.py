"""Detections, embeddings, comparisons and searches as the API gives them: the shapes of docs/api.md."""

from typing import Any

import numpy as np

from faceplatform.errors import Unprocessable
from gallery.models import FaceEmbedding
from recognition.analysis.services import Found
from recognition.photos.installed_packs import manifest_of
from recognition.photos.models import Decision, Purpose, RecognitionFace, RecognitionRequest, Status
from recognition.photos.representation import error_as_dict, found_as_dict, identity_as_dict, image_as_dict
from recognition.photos.results.refusals import REFUSALS
from recognition.photos.services import raise_if_photo_was_bad

OF_PACK = "pack"  # the source of a comparison's threshold


def detection_as_dict(row: RecognitionRequest) -> dict[str, Any]:
    """Takes a row of `analyses()`. No face is an answer: an empty list."""
    raise_if_photo_was_bad(row)
    return _head(row) | {"faces": [_face_as_dict(face, row) for face in row.settled_faces]}


def embedding_as_dict(row: RecognitionRequest) -> dict[str, Any]:
    """The same with the vectors. Raises Unprocessable (face_not_found)."""
    answer = detection_as_dict(row)
    if row.status == Status.DONE:
        _require_face(row)
    for face, shown in zip(row.settled_faces, answer["faces"], strict=True):
        shown["embedding"] = [float(value) for value in face.vector]
    return answer


def comparison_as_dict(row: RecognitionRequest) -> dict[str, Any]:
    """Takes the first row of a comparison, from `analyses()`.

    Raises Unprocessable where a photo has no face, or the reference photo several or a poor one.
    """
    reference = _reference_row(row)
    rows = [row, reference] if reference else [row]
    for one in rows:
        raise_if_photo_was_bad(one)
    threshold = _threshold(row)
    answer = _head(row) | {"threshold": threshold, "reference": None, "matches": []}
    if any(one.status != Status.DONE for one in rows):
        return answer | {"status": Status.RUNNING if row.status == Status.DONE else row.status}
    _require_face(row)
    if reference:
        face = _only_face(reference)
        answer["reference"] = _face_as_dict(face, reference)
        known = {None: _vector(face)}
    else:
        known = _enrolled(row)
    matches = [_match(face, row, known, threshold["distance"]) for face in row.faces.all()]
    return answer | {"matches": sorted(matches, key=lambda match: match["distance"])}


def search_as_dict(found: Found) -> dict[str, Any]:
    """What a search by vector found."""
    verdict, distance = found.verdict, found.threshold.distance
    people = found.identities
    score = manifest_of(found.pack).score
    return {
        "pack": found.pack,
        "threshold": {"distance": round(distance, 4), "source": found.threshold.source},
        "decision": verdict.decision,
        "identity": identity_as_dict(people[verdict.identity_id]) if verdict.identity_id else None,
        "candidates": [
            {
                "identity": identity_as_dict(people[match.identity_id]),
                "distance": round(match.distance, 4),
                "mean_distance": None if match.mean_distance is None else round(match.mean_distance, 4),
                "score": round(score(match.distance, distance), 4),
                "sample_id": str(match.sample_id),
            }
            for match in verdict.matches
            if match.identity_id in people
        ],
        "margin": None if verdict.margin is None else round(verdict.margin, 4),
    }


def _head(row: RecognitionRequest) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "status": row.status,
        "gallery": row.gallery.slug,
        "pack": row.pack,
        "created_at": row.created_at.isoformat(),
        "image": image_as_dict(row),
        "timings_ms": row.timings_ms,
        "error": error_as_dict(row.error_code, row.error_message),
    }


def _face_as_dict(face: RecognitionFace, row: RecognitionRequest) -> dict[str, Any]:
    return found_as_dict(face, row) | {"usable": face.decision != Decision.UNUSABLE}


def _reference_row(row: RecognitionRequest) -> RecognitionRequest | None:
    pk = row.options["reference"].get("photo")
    return RecognitionRequest.objects.analyses(Purpose.COMPARE).get(pk=pk) if pk else None


def _threshold(row: RecognitionRequest) -> dict[str, Any]:
    if row.options["threshold"] is not None:
        return {"distance": round(row.options["threshold"], 4), "source": "request"}
    return {"distance": round(manifest_of(row.pack).threshold_1to1, 4), "source": OF_PACK}


def _require_face(row: RecognitionRequest) -> None:
    if not row.faces.all():
        raise Unprocessable(REFUSALS["face_not_found"], code="face_not_found")


def _only_face(reference: RecognitionRequest) -> RecognitionFace:
    """The face to compare with: it must be plain which one, and good enough."""
    faces = reference.faces.all()
    code, values = None, {}
    if not faces:
        code = "face_not_found"
    elif len(faces) > 1:
        code, values = "multiple_faces", {"count": len(faces)}
    elif faces[0].decision == Decision.UNUSABLE:
        code = faces[0].reasons[0] if faces[0].reasons else "low_quality"
    if code:
        raise Unprocessable("In the reference: " + REFUSALS[code].format(**values), code=code)
    return faces[0]


def _enrolled(row: RecognitionRequest) -> dict[str, np.ndarray]:
    """Sample id → vector, of the sample or of the person to compare with."""
    rows = FaceEmbedding.objects.filter(gallery=row.gallery_id, pack=row.pack, sample__deleted_at=None)
    rows = rows.filter(sample__identity__deleted_at=None)
    of = row.options["reference"]
    if "sample" in of:
        rows = rows.filter(sample=of["sample"])
    else:
        rows = rows.filter(sample__identity=of["identity"], sample__rejected=False)
    found = {str(sample): np.array(vector, "float32") for sample, vector in rows.values_list("sample", "vector")}
    if not found:
        message = "There is no enrolled face to compare with. Enrol a photo of the person first."
        raise Unprocessable(message, code="face_not_found")
    return found


def _match(face: RecognitionFace, row: RecognitionRequest, known: dict, threshold: float) -> dict[str, Any]:
    vector = _vector(face)
    distance, sample = min((float(np.linalg.norm(vector - other)), name) for name, other in known.items())
    decision = "unusable" if face.decision == Decision.UNUSABLE else "same" if distance <= threshold else "different"
    return {
        "face": _face_as_dict(face, row),
        "distance": round(distance, 4),
        "score": round(manifest_of(row.pack).score(distance, threshold), 4),
        "decision": decision,
        "sample_id": sample,
    }


def _vector(face: RecognitionFace) -> np.ndarray:
    return np.array(face.vector, "float32")
