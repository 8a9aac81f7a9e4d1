"""Detections, embeddings, comparisons and searches as the API shows them, in the shapes of docs/api.md."""

from typing import Any

import numpy as np

from faceplatform.errors import Unprocessable
from gallery.models import FaceEmbedding
from recognition.analysis.services import SearchResult
from recognition.photos.installed_packs import manifest_of
from recognition.photos.models import Decision, Purpose, RecognitionFace, RecognitionRequest, Status
from recognition.photos.representation import (
    detected_face_as_dict,
    error_as_dict,
    identity_as_dict,
    image_as_dict,
    waits_for,
)
from recognition.photos.results.refusals import REFUSALS, refusal
from recognition.photos.services import raise_if_failed
from recognition.photos.thresholds import FROM_REQUEST

References = list[tuple[str | None, np.ndarray]]  # sample id (None: a photo's face) and float32 vector (dim,)

FROM_PACK = "pack"  # a source of a comparison's threshold


def detection_as_dict(row: RecognitionRequest) -> dict[str, Any]:
    """Takes a row of `analyses()`. A photo without a face has an empty list. Raises Unprocessable if the request failed."""
    raise_if_failed(row)
    return _head(row) | {"faces": [_face_as_dict(face, row) for face in row.final_faces]}


def embedding_as_dict(row: RecognitionRequest) -> dict[str, Any]:
    """The same with the vectors. Raises Unprocessable, also for a photo without a face (face_not_found)."""
    answer = detection_as_dict(row)
    if row.status == Status.DONE:
        _require_face(row)
    for face, shown in zip(row.final_faces, answer["faces"], strict=True):
        assert face.vector is not None  # kept for every purpose but detection
        shown["embedding"] = [float(value) for value in face.vector]
    return answer


def comparison_as_dict(row: RecognitionRequest) -> dict[str, Any]:
    """Takes the first row of a comparison, from `analyses()`; matches are sorted by distance.

    Raises Unprocessable if a request failed, a photo has no face, or the reference photo has several faces or a poor one.
    """
    reference = _reference_row(row)
    rows = [row, reference] if reference else [row]
    for photo in rows:
        raise_if_failed(photo)
    threshold = _threshold(row)
    answer = _head(row) | {"threshold": threshold, "reference": None, "matches": []}
    if any(photo.status != Status.DONE for photo in rows):
        return answer | {"status": Status.RUNNING if row.status == Status.DONE else row.status}
    _require_face(row)
    references: References
    if reference:
        face = _only_face(reference)
        answer["reference"] = _face_as_dict(face, reference)
        references = [(None, _vector(face))]
    else:
        references = _enrolled(row)
    matches = [_match(face, row, references, threshold["distance"]) for face in row.faces.all()]
    return answer | {"matches": sorted(matches, key=lambda match: match["distance"])}


def search_as_dict(result: SearchResult) -> dict[str, Any]:
    """What a search by vector found. People who have been deleted since are left out."""
    verdict, distance = result.verdict, result.threshold.distance
    people = result.identities
    score = manifest_of(result.pack).score
    return {
        "pack": result.pack,
        "threshold": {"distance": round(distance, 4), "source": result.threshold.source},
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
        "waits_for": waits_for(row),
        "created_at": row.created_at.isoformat(),
        "image": image_as_dict(row),
        "timings_ms": row.timings_ms,
        "warnings": row.warnings,
        "error": error_as_dict(row.error_code, row.error_message),
    }


def _face_as_dict(face: RecognitionFace, row: RecognitionRequest) -> dict[str, Any]:
    return detected_face_as_dict(face, row) | {"usable": face.decision != Decision.UNUSABLE}


def _reference_row(row: RecognitionRequest) -> RecognitionRequest | None:
    pk = row.options["reference"].get("photo")
    return RecognitionRequest.objects.analyses(Purpose.COMPARE).get(pk=pk) if pk else None


def _threshold(row: RecognitionRequest) -> dict[str, Any]:
    if row.options["threshold"] is not None:
        return {"distance": round(row.options["threshold"], 4), "source": FROM_REQUEST}
    return {"distance": round(manifest_of(row.pack).threshold_1to1, 4), "source": FROM_PACK}


def _require_face(row: RecognitionRequest) -> None:
    if not row.faces.all():
        raise Unprocessable(REFUSALS["face_not_found"], code="face_not_found")


def _only_face(reference: RecognitionRequest) -> RecognitionFace:
    """The face to compare with. Raises Unprocessable unless there is exactly one and it is good enough."""
    faces = reference.faces.all()
    code = None
    if not faces:
        code = "face_not_found"
    elif len(faces) > 1:
        code = "multiple_faces"
    elif faces[0].decision == Decision.UNUSABLE:
        code = faces[0].reasons[0] if faces[0].reasons else "low_quality"
    if code:
        raise Unprocessable("In the reference: " + refusal(code, count=len(faces)), code=code)
    return faces[0]


def _enrolled(row: RecognitionRequest) -> References:
    """The sample to compare with, or those of the person. Raises Unprocessable (face_not_found) if there is none."""
    rows = FaceEmbedding.objects.filter(gallery=row.gallery_id, pack=row.pack, sample__deleted_at=None)
    rows = rows.filter(sample__identity__deleted_at=None)
    reference = row.options["reference"]
    if "sample" in reference:
        rows = rows.filter(sample=reference["sample"])
    else:
        rows = rows.filter(sample__identity=reference["identity"], sample__rejected=False)
    references: References = [
        (str(sample), np.array(vector, "float32")) for sample, vector in rows.values_list("sample", "vector")
    ]
    if not references:
        message = "There is no enrolled face to compare with. Enrol a photo of the person first."
        raise Unprocessable(message, code="face_not_found")
    return references


def _match(face: RecognitionFace, row: RecognitionRequest, references: References, threshold: float) -> dict[str, Any]:
    vector = _vector(face)
    distances = [(float(np.linalg.norm(vector - other)), sample) for sample, other in references]
    distance, sample = min(distances, key=lambda pair: (pair[0], pair[1] or ""))
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
