"""Enrolments: the one face in each photo becomes a sample of its person, or the photo is refused."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from accounts.actor import Actor
from accounts.models import ApiKey
from faceplatform.database.compiled import insert
from faceplatform.errors import DomainError
from gallery import services as gallery_services
from gallery.models import FaceSample, Identity, QualityGate
from gallery.pack_in_force import hold_pack
from gallery.search.query import nearest_identities
from gallery.services import EnrolledFace
from recognition.engine.base import Face, PhotoAnalysis
from recognition.photos import queue
from recognition.photos.faults import is_servers
from recognition.photos.models import RecognitionFace, RecognitionRequest, Status
from recognition.photos.results.ending import face_row, outcome, points, select_faces
from recognition.photos.results.refusals import Refusal
from recognition.photos.thresholds import threshold_of


def enrol(*, request: RecognitionRequest, token: UUID, analysis: PhotoAnalysis) -> bool:
    """Writes the result of an enrolment. Returns False, and writes nothing, if the lease has been lost.

    If the gallery has moved to another pack since, the photo is queued again, to be processed with that pack.
    """
    faces = select_faces(request, analysis)
    with transaction.atomic():
        if not queue.hold(ids=[request.pk], token=token):
            return False
        if (pack := hold_pack(request.gallery_id)) != request.pack:
            queue.release_for_pack(request_id=request.pk, token=token, pack=pack)
            return True
        insert(_rows(request, faces))
        result: dict[str, Any]
        whose: Identity | None = None
        try:
            with transaction.atomic():
                sample = _enrol(request, analysis, faces)
        except Refusal as refusal:
            result = {"status": Status.FAILED, "error_code": refusal.code, "error_message": str(refusal)}
        except DomainError as error:
            if is_servers(error.code):
                raise
            result = {"status": Status.FAILED, "error_code": error.code, "error_message": error.message}
        else:
            result = {"status": Status.DONE, "sample_id": str(sample.pk)}
            whose = sample.identity
        _name_whose(request, whose)
        queue.finish([outcome(request, analysis=analysis, **result)])
    return True


def _rows(request: RecognitionRequest, faces: Sequence[Face]) -> list[RecognitionFace]:
    return [
        face_row(request, index, face, crop=face.crop.jpeg, crop_landmarks=points(face.crop.landmarks))
        for index, face in enumerate(faces)
    ]


def _enrol(request: RecognitionRequest, analysis: PhotoAnalysis, faces: Sequence[Face]) -> FaceSample:
    """Adds the photo's one face to the request's identity, or to a new one. Raises Refusal or DomainError; then nobody is new."""
    actor = _actor_of(request)
    if "truncated" in analysis.warnings and not request.options.get("accept_truncated"):
        raise Refusal("photo_truncated")
    _check_faces(faces, request.options["quality_gate"])
    face = faces[0]
    identity = request.identity or _new_person(actor, request)
    if request.options["quality_gate"] != QualityGate.OFF:
        _check_conflict(request, identity, face)
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
        crop_landmarks=points(face.crop.landmarks),
        embedding=face.embedding,
    )
    return gallery_services.add_sample(actor=actor, identity=identity, face=enrolled, pack=request.pack)


def _new_person(actor: Actor, request: RecognitionRequest) -> Identity:
    """Made with the first face; found for the others."""
    fields = dict(request.options["person"])
    if pk := fields.pop("id", None):
        return gallery_services.person_with_id(actor=actor, gallery=request.gallery, pk=UUID(pk), **fields)
    return gallery_services.person_with_key(actor=actor, gallery=request.gallery, **fields)


def _name_whose(request: RecognitionRequest, identity: Identity | None) -> None:
    """Notes on the request and on those that were refused before it whose photos they are, so that an erasure finds them."""
    new = request.options.get("person", {}).get("id")
    if identity is None and new:  # this one is refused, and the person may be there already
        identity = Identity.with_deleted.filter(pk=new).first()
    if identity is not None and request.identity is None:
        refused = Q(pk__in=request.options.get("together", []), identity=None, status=Status.FAILED)
        RecognitionRequest.objects.filter(Q(pk=request.pk) | refused).update(identity=identity)


def _actor_of(request: RecognitionRequest) -> Actor:
    """Who asked for the enrolment. Raises NotAllowed if the account has been deleted."""
    record = request.requested_as
    key = ApiKey.objects.filter(pk=record["api_key"]).first() if record["api_key"] else None
    return Actor.from_record(request.requested_by, record, key)


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


def _check_conflict(request: RecognitionRequest, identity: Identity, face: Face) -> None:
    """Refuses a face that the gallery would recognise as somebody other than `identity`."""
    [matches] = nearest_identities(
        gallery_id=request.gallery_id, pack=request.pack, probes=face.embedding[None], top_k=1
    )
    person = identity.current or identity  # may have been merged into another while the photo was queued
    other = next((match for match in matches if match.identity_id != person.pk), None)
    if other and other.distance <= threshold_of(request.gallery).distance:
        name = request.gallery.identities.get(pk=other.identity_id).name
        raise Refusal("identity_similarity_conflict", other=name, name=person.name)
