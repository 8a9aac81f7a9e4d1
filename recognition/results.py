"""Writing what a worker found: decisions on probe faces, new samples, failures. Only the holder of the claim may."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.actor import Actor
from accounts.models import ApiKey
from faceplatform.errors import DomainError
from gallery import services as gallery_services
from gallery.models import QualityGate
from gallery.packs import hold_pack
from gallery.search import Match, nearest_identities
from gallery.services import EnrolledFace
from recognition import queue
from recognition.engine.base import Face, PhotoAnalysis
from recognition.installed import manifest_of
from recognition.models import (
    ANALYSES,
    Candidate,
    Decision,
    Purpose,
    RecognitionFace,
    RecognitionRequest,
    Status,
)
from recognition.thresholds import Threshold, threshold_of

REFUSALS = {
    "face_not_found": "No face was found. Send a photo in which the face is clear, upright and not too small.",
    "multiple_faces": "There are {count} faces. Send a photo with this person alone, or cut it out.",
    "face_too_small": "The face is too small to recognise. Send a larger or closer photo.",
    "low_detection_score": "It is not sure that this is a face. Send a clearer photo.",
    "low_quality": "The face is too blurred, too dark, too bright or too flat. Send a sharper, well-lit photo.",
    "extreme_pose": "The face is turned too far away. Send a photo that looks towards the camera.",
    "identity_similarity_conflict": "The face looks more like {other} than like {name}. Check who it is; "
    "if it is right, enrol it with the quality gate off.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A probe face's decision, its candidates, and the margin between the first two."""

    decision: Decision
    matches: Sequence[Match]
    margin: float | None

    @property
    def identity_id(self) -> UUID | None:
        return self.matches[0].identity_id if self.decision == Decision.KNOWN else None


class Refusal(Exception):
    """An enrolment photo is not taken. code: a reason code."""

    def __init__(self, code: str, **values):
        super().__init__(REFUSALS[code].format(**values))
        self.code = code


def complete(*, request: RecognitionRequest, token: UUID, analysis: PhotoAnalysis) -> bool:
    """Writes the result of `analysis`. Returns False, and writes nothing, where the lease was lost meanwhile.

    Where the gallery has moved to another pack since, the photo goes back to the queue to be looked at under that one.
    """
    if request.purpose == Purpose.ENROL:
        return _complete_enrolment(request, token, analysis)
    if request.purpose in ANALYSES:
        return _complete_analysis(request, token, analysis)
    return _complete_recognition(request, token, analysis)


@transaction.atomic
def fail(*, request: RecognitionRequest, token: UUID, code: str, message: str) -> bool:
    """Gives a request up, with the reason. Returns False where the lease was lost meanwhile."""
    if not queue.hold(request_id=request.pk, token=token):
        return False
    _finish(request, Status.FAILED, error_code=code, error_message=message)
    return True


# --- Recognition ------------------------------------------------------------------------------------------------------
def _complete_recognition(request: RecognitionRequest, token: UUID, analysis: PhotoAnalysis) -> bool:
    options = request.options
    if request.pack != request.gallery.pack and options.get("threshold") is None:
        queue.put_back(request_id=request.pk, token=token, pack=request.gallery.pack)
        return True
    faces = _wanted(request, analysis)
    started = timezone.now()
    threshold = threshold_of(request.gallery, request.options.get("threshold"))
    verdicts = _decide(request, faces, threshold)
    searched = _milliseconds(started, timezone.now())
    with transaction.atomic():
        if not queue.hold(request_id=request.pk, token=token):
            return False
        rows = _write_faces(request, faces, verdicts)
        _write_candidates(request, rows, verdicts, threshold)
        known = [verdict.identity_id for verdict in verdicts if verdict.identity_id]
        gallery_services.note_recognized(identity_ids=known, at=timezone.now())
        _finish(
            request,
            Status.DONE,
            **_image_fields(analysis),
            threshold_distance=threshold.distance,
            threshold_source=threshold.source,
            timings_ms=_timings(request, analysis, search=searched),
        )
        _audit_answer(request, verdicts)
    return True


def _decide(request: RecognitionRequest, faces: Sequence[Face], threshold: Threshold) -> list[Verdict]:
    """Looks every usable face up; the runner-up is always fetched, for the margin."""
    usable = [face for face in faces if face.quality.usable]
    top_k = request.options.get("top_k", 5)
    found = iter(
        nearest_identities(
            gallery_id=request.gallery_id,
            pack=request.pack,
            probes=np.stack([face.embedding for face in usable]) if usable else np.empty((0, 0)),
            top_k=max(top_k, 2),
        )
    )
    return [
        decide(next(found), threshold.distance, top_k) if face.quality.usable else Verdict(Decision.UNUSABLE, [], None)
        for face in faces
    ]


def decide(matches: Sequence[Match], threshold: float, top_k: int) -> Verdict:
    """Known where the nearest is within the threshold, else unknown. A stranger's nearest neighbour stays a candidate."""
    known = bool(matches) and matches[0].distance <= threshold
    margin = matches[1].distance - matches[0].distance if len(matches) > 1 else None
    return Verdict(Decision.KNOWN if known else Decision.UNKNOWN, matches[:top_k], margin)


def _write_faces(
    request: RecognitionRequest, faces: Sequence[Face], verdicts: Sequence[Verdict | None]
) -> list[RecognitionFace]:
    """verdicts: one a face; None for a face of an enrolment photo."""
    return RecognitionFace.objects.bulk_create(
        _face(
            request,
            index,
            face,
            crop=face.crop.jpeg,
            crop_landmarks=_points(face.crop.landmarks),
            vector=None if verdict is None else face.embedding.tolist(),
            decision=verdict.decision if verdict else None,
            identity_id=verdict.identity_id if verdict else None,
            margin=verdict.margin if verdict else None,
        )
        for index, (face, verdict) in enumerate(zip(faces, verdicts, strict=True))
    )


def _face(request: RecognitionRequest, index: int, face: Face, **values) -> RecognitionFace:
    return RecognitionFace(
        request=request,
        index=index,
        box=face.box.as_list(),
        landmarks=_points(face.landmarks),
        detection_score=round(face.detection_score, 4),
        quality_score=face.quality.score,
        reasons=list(face.quality.reasons),
        **values,
    )


def _write_candidates(request, rows, verdicts: Sequence[Verdict], threshold: Threshold) -> None:
    manifest = manifest_of(request.pack)
    Candidate.objects.bulk_create(
        Candidate(
            face=row,
            rank=rank,
            identity_id=match.identity_id,
            sample_id=match.sample_id,
            distance=match.distance,
            mean_distance=match.mean_distance,
            score=manifest.score(match.distance, threshold.distance),
        )
        for row, verdict in zip(rows, verdicts, strict=True)
        for rank, match in enumerate(verdict.matches)
    )


def _audit_answer(request: RecognitionRequest, verdicts: Sequence[Verdict]) -> None:
    details = {decision.value: sum(v.decision == decision for v in verdicts) for decision in Decision}
    details["identities"] = [str(v.identity_id) for v in verdicts if v.identity_id]
    actor = actor_of(request)
    audit.record(actor=actor, action="recognition.answered", gallery=request.gallery, target=request, details=details)


# --- Faces alone ------------------------------------------------------------------------------------------------------
def _complete_analysis(request: RecognitionRequest, token: UUID, analysis: PhotoAnalysis) -> bool:
    """Nobody is searched for, and no picture is kept."""
    keeps_vectors = request.purpose != Purpose.DETECT
    faces = _wanted(request, analysis)
    with transaction.atomic():
        if not queue.hold(request_id=request.pk, token=token):
            return False
        RecognitionFace.objects.bulk_create(
            _face(
                request,
                index,
                face,
                vector=face.embedding.tolist() if keeps_vectors else None,
                decision=None if face.quality.usable else Decision.UNUSABLE,
            )
            for index, face in enumerate(faces)
        )
        _finish(request, Status.DONE, **_image_fields(analysis), timings_ms=_timings(request, analysis))
    return True


# --- Enrolment --------------------------------------------------------------------------------------------------------
def _complete_enrolment(request: RecognitionRequest, token: UUID, analysis: PhotoAnalysis) -> bool:
    faces = _wanted(request, analysis)
    with transaction.atomic():
        if not queue.hold(request_id=request.pk, token=token):
            return False
        if (pack := hold_pack(request.gallery_id)) != request.pack:
            queue.put_back(request_id=request.pk, token=token, pack=pack)
            return True
        _write_faces(request, faces, [None] * len(faces))
        fields = _image_fields(analysis) | {"timings_ms": _timings(request, analysis)}
        try:
            with transaction.atomic():
                sample = _enrol(request, analysis, faces)
        except Refusal as refusal:
            _finish(request, Status.FAILED, error_code=refusal.code, error_message=str(refusal), **fields)
        except DomainError as error:
            _finish(request, Status.FAILED, error_code=error.code, error_message=error.message, **fields)
        else:
            _finish(request, Status.DONE, sample=sample, **fields)
    return True


def _enrol(request: RecognitionRequest, analysis: PhotoAnalysis, faces: Sequence[Face]):
    """Adds the photo's one face to the request's identity. Raises Refusal or DomainError."""
    actor = actor_of(request)
    _check_faces(faces, request.options["quality_gate"])
    face = faces[0]
    if request.options["quality_gate"] != QualityGate.OFF:
        _check_conflict(request, face)
    enrolled = EnrolledFace(
        photo_name=request.photo_name,
        photo_sha256=request.photo_sha256,
        photo_width=analysis.width,
        photo_height=analysis.height,
        box=face.box.as_list(),
        detection_score=round(face.detection_score, 4),
        quality_score=face.quality.score,
        quality={"measures": face.quality.measures, "reasons": list(face.quality.reasons)},
        crop_jpeg=face.crop.jpeg,
        crop_width=face.crop.width,
        crop_height=face.crop.height,
        crop_landmarks=_points(face.crop.landmarks),
        embedding=face.embedding,
    )
    return gallery_services.add_sample(actor=actor, identity=request.identity, face=enrolled, pack=request.pack)


def _check_faces(faces: Sequence[Face], gate: str) -> None:
    if not faces:
        raise Refusal("face_not_found")
    if len(faces) > 1:
        raise Refusal("multiple_faces", count=len(faces))
    quality = faces[0].quality
    if gate == QualityGate.STRICT and quality.reasons:
        raise Refusal(quality.reasons[0])
    if gate == QualityGate.STANDARD and not quality.usable:
        raise Refusal(quality.reasons[0] if quality.reasons else "low_quality")


def _check_conflict(request: RecognitionRequest, face: Face) -> None:
    """Refuses a face that the gallery would take for somebody else."""
    [matches] = nearest_identities(
        gallery_id=request.gallery_id, pack=request.pack, probes=face.embedding[None], top_k=1
    )
    other = next((match for match in matches if match.identity_id != request.identity_id), None)
    if other and other.distance <= threshold_of(request.gallery).distance:
        name = request.gallery.identities.get(pk=other.identity_id).name
        raise Refusal("identity_similarity_conflict", other=name, name=request.identity.name)


# --- All -------------------------------------------------------------------------------------------------------------
def _wanted(request: RecognitionRequest, analysis: PhotoAnalysis) -> list[Face]:
    """The faces the request asks for: sure enough to be one, the largest first, so many at most."""
    least = request.options.get("min_detection_score") or 0
    return [face for face in analysis.faces if face.detection_score >= least][: request.options.get("max_faces")]


def actor_of(request: RecognitionRequest) -> Actor:
    """Who asked, as the audit should name them. Raises NotAllowed where the account is gone."""
    record = request.requested_as
    api_key = ApiKey.objects.filter(pk=record["api_key"]).first() if record["api_key"] else None
    return Actor.from_record(request.requested_by, record, api_key)


def _finish(request: RecognitionRequest, status: Status, **fields) -> None:
    """Ends a request that the caller holds, clears its photo unless it is to be kept, and wakes whoever waits."""
    fields |= {"status": status, "finished_at": timezone.now(), "claim_token": None, "lease_expires_at": None}
    if not request.keep_photo:
        fields["photo"] = None
    RecognitionRequest.objects.filter(pk=request.pk).update(**fields)
    queue.notify(queue.FINISHED, request.pk)


def _image_fields(analysis: PhotoAnalysis) -> dict[str, int]:
    return {
        "image_width": analysis.width,
        "image_height": analysis.height,
        "image_rotation": analysis.rotation,
    }


def _timings(request: RecognitionRequest, analysis: PhotoAnalysis, **more: float) -> dict[str, float]:
    return {
        "queued": _milliseconds(request.created_at, request.claimed_at),
        **analysis.timings_ms,
        **more,
        "total": _milliseconds(request.created_at, timezone.now()),
    }


def _milliseconds(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds() * 1000, 2)


def _points(landmarks: np.ndarray) -> list[list[float]]:
    return [[round(float(x), 2), round(float(y), 2)] for x, y in landmarks]
