"""Writes: photos submitted for recognition or enrolment, and the deletion of results."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import uuid6
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts import audit, buckets
from accounts.actor import Actor
from accounts.roles import Role, Scope
from faceplatform.database.compiled import insert
from faceplatform.errors import DomainError, InvalidInput, Unavailable, Unprocessable
from faceplatform.web.languages import SOURCE, retold
from gallery.models import Gallery, Identity, QualityGate
from gallery.services import check_new_identity, require_consent
from recognition.engine.base import PhotoError
from recognition.engine.image import ImageInfo, inspect
from recognition.photos import queue
from recognition.photos.faults import OUT_OF_MEMORY, WAITS_FOR_PACK, WAITS_FOR_WORKER, is_servers, status_of
from recognition.photos.models import Priority, Purpose, RecognitionRequest, Status, Worker

MAX_TOP_K = 100
DEFAULT_TOP_K = 5
NOTE_A_MINUTE = {"live": (1.0, 1.0)}


@dataclass(frozen=True, slots=True)
class Photo:
    """A file as it was sent. name: the file's name, empty if there is none. size: in bytes, if `data` is only its beginning."""

    name: str
    data: bytes
    size: int | None = None


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody who is made with their first face. fields: further ones of `create_identity`.

    id: tells photos of the same person who has no external id; by it they are found even if there is one.
    """

    external_id: str
    name: str
    fields: dict[str, str]
    id: UUID | None = None


def submit_recognition(
    *,
    actor: Actor,
    gallery: Gallery,
    photo: Photo,
    top_k: int = DEFAULT_TOP_K,
    threshold: float | None = None,
    max_faces: int | None = None,
    min_detection_score: float | None = None,
    keep_photo: bool | None = None,
    live: bool = False,
    priority: Priority = Priority.INTERACTIVE,
    needs_worker: bool = True,
) -> RecognitionRequest:
    """Queues a photo to find out who is in it.

    threshold: L2 distance, instead of the gallery's. keep_photo: None for the gallery's setting. live: one of many pictures of a
    video, of which nothing is kept. needs_worker: whether to refuse the photo if nobody would process it. Raises NotAllowed,
    InvalidInput, Unprocessable (reason codes) or Unavailable (no_worker, queue_full).
    """
    actor.require_scope(Scope.RECOGNIZE)
    actor.require_role(gallery, Role.VIEWER)
    options = recognition_options(top_k, threshold, max_faces, min_detection_score)
    info = inspect_photo(photo)
    if needs_worker:
        require_worker(gallery)
    request = new_request(
        actor=actor,
        gallery=gallery,
        photo=photo,
        priority=priority,
        options=options,
        photo_type=info.content_type,
        purpose=Purpose.LIVE if live else Purpose.RECOGNIZE,
        keep_photo=not live and (gallery.keep_photos if keep_photo is None else keep_photo),
    )
    with transaction.atomic():
        insert([request])
        if live:
            _note_live(actor, gallery)
        else:
            details = {"photo": photo.name, "sha256": request.photo_sha256}
            audit.record(actor=actor, action="recognition.requested", gallery=gallery, target=request, details=details)
        queue.notify(queue.QUEUED)
    return request


def _note_live(actor: Actor, gallery: Gallery) -> None:
    """Once a minute for each user and gallery: three pictures a second would fill the audit. Whom the pictures show is written
    as looks; see results/recognitions.py."""
    who = f"{actor.user.pk if actor.user else actor.name} {gallery.pk}"
    subject = f"live:{hashlib.sha256(who.encode()).hexdigest()[:32]}"
    if buckets.count([subject], NOTE_A_MINUTE) == 0:
        audit.record(actor=actor, action="recognition.live", gallery=gallery, target=gallery)


def submit_enrolment(
    *,
    actor: Actor,
    identity: Identity,
    photos: Sequence[Photo],
    quality_gate: str = "",
    min_detection_score: float | None = None,
    accept_truncated: bool = False,
    needs_worker: bool = True,
) -> list[RecognitionRequest]:
    """Queues photos to be enrolled as samples of `identity`, one request each, in order. See also `submit_enrolments`.

    quality_gate: empty for the gallery's own. min_detection_score: faces with a lower score are ignored.
    accept_truncated: also photos whose file ends too early.
    Raises NotAllowed, InvalidInput or Unavailable (no_worker, queue_full).
    """
    _require_curator(actor, identity.gallery)
    check_enrolment(photos, quality_gate)
    if needs_worker:
        require_worker(identity.gallery)
    _check_fraction("min_detection_score", min_detection_score)
    pairs = [(identity, photo) for photo in photos]
    options = {"min_detection_score": min_detection_score, "accept_truncated": accept_truncated}
    return _queue(_enrolment_requests(actor, identity.gallery, pairs, quality_gate, options, Priority.INTERACTIVE))


def submit_enrolments(
    *, actor: Actor, gallery: Gallery, photos: Sequence[tuple[Identity | NewPerson, Photo]], quality_gate: str = ""
) -> list[RecognitionRequest]:
    """Queues photos of any number of the gallery's people, one request each, in order and with low priority.

    A new person is made with the first photo that is enrolled; if none is, nobody is made.
    A bad file does not affect the others: its request fails at once, with the reason. So do those of people who have not
    given the consent that the gallery requires. Raises NotAllowed.
    """
    _require_curator(actor, gallery)
    options = {"min_detection_score": None, "accept_truncated": False}
    return _queue(_enrolment_requests(actor, gallery, photos, quality_gate, options, Priority.BULK))


def submit_first_photos(
    *, actor: Actor, gallery: Gallery, photos: Sequence[Photo], accept_truncated: bool, name: str, **fields: Any
) -> list[RecognitionRequest]:
    """Queues photos of one new person, who is made with the first that is enrolled; if none is, nobody is made.

    fields: further ones of `create_identity`, checked at once. Raises NotAllowed, InvalidInput, Conflict or Unavailable.
    """
    _require_curator(actor, gallery)
    check_enrolment(photos)
    check_new_identity(gallery=gallery, name=name, **fields)
    require_worker(gallery)
    plain = {key: value.isoformat() if isinstance(value, date) else value for key, value in fields.items()}
    person = NewPerson(plain.pop("external_id", ""), name, plain, id=uuid6.uuid7())
    options = {"min_detection_score": None, "accept_truncated": accept_truncated}
    pairs = [(person, photo) for photo in photos]
    requests = _enrolment_requests(actor, gallery, pairs, "", options, Priority.INTERACTIVE)
    for request in requests:
        request.options["together"] = [str(other.pk) for other in requests]
    return _queue(requests)


def _require_curator(actor: Actor, gallery: Gallery) -> None:
    actor.require_scope(Scope.ENROL)
    actor.require_role(gallery, Role.CURATOR)


def _enrolment_requests(
    actor: Actor,
    gallery: Gallery,
    photos: Sequence[tuple[Identity | NewPerson, Photo]],
    quality_gate: str,
    others: dict[str, Any],
    priority: Priority,
) -> list[RecognitionRequest]:
    requests = []
    for person, photo in photos:
        options = {"quality_gate": quality_gate or gallery.quality_gate, **others}
        requests.append(_enrolment_request(actor, gallery, person, photo, options, priority))
    return requests


def _queue(requests: list[RecognitionRequest]) -> list[RecognitionRequest]:
    if requests:
        with transaction.atomic():
            insert(requests)
            queue.notify(queue.QUEUED)
    return requests


def raise_if_failed(request: RecognitionRequest) -> None:
    """Raises the reason of a failed request, with its code and HTTP status: Unavailable if it is a fault of the server."""
    if request.status == Status.FAILED:
        kind = Unavailable if is_servers(request.error_code) else Unprocessable
        raise kind(request.error_message, code=request.error_code, status=status_of(request.error_code))


def raise_if_server_failed(rows: Iterable[RecognitionRequest]) -> None:
    """Raises the reason of the first request that failed for a fault of the server."""
    for row in rows:
        if row.status == Status.FAILED and is_servers(row.error_code):
            raise_if_failed(row)


def raise_if_unserved(request: RecognitionRequest) -> None:
    """Raises Unavailable if the photo waits although no living worker can run its pack (pack_not_installed), or none lives
    at all (no_worker), as while they are started anew.

    Takes a request with `with_served()`.
    """
    if not request.served:
        if not Worker.objects.alive().exists():
            raise Unavailable(_(WAITS_FOR_WORKER), code="no_worker", retry_after=10)
        message = _(WAITS_FOR_PACK) % {"pack": request.pack}
        raise Unavailable(message, code="pack_not_installed", retry_after=30)


@transaction.atomic
def delete_recognition(*, actor: Actor, request: RecognitionRequest) -> None:
    """Deletes a recognition with its faces and photo. Allowed to whoever asked for it, and to the gallery's curators."""
    actor.require_scope(Scope.RECOGNIZE)
    if actor.user is None or request.requested_by_id != actor.user.pk:
        actor.require_role(request.gallery, Role.CURATOR)
    audit.record(actor=actor, action="recognition.deleted", gallery=request.gallery, target=request)
    request.delete()


@transaction.atomic
def follow_merges(gallery: Gallery) -> None:
    """Points past answers from merged people to those they were merged into, before the merged ones are purged."""
    with connection.cursor() as cursor:
        cursor.execute(FOLLOW_FACES, [gallery.pk])
        cursor.execute(FOLLOW_CANDIDATES, [gallery.pk])


FOLLOW_FACES = """
UPDATE recognition_recognitionface face SET identity_id = merged.merged_into_id
FROM gallery_identity merged WHERE merged.id = face.identity_id AND merged.merged_into_id IS NOT NULL
AND merged.gallery_id = %s
"""
# A face may have a person as a candidate once: the best of those merged into that person, unless the person is one already.
FOLLOW_CANDIDATES = """
UPDATE recognition_candidate candidate SET identity_id = best.into_id
FROM (
    SELECT DISTINCT ON (candidate.face_id, merged.merged_into_id) candidate.id, merged.merged_into_id AS into_id
    FROM recognition_candidate candidate
    JOIN gallery_identity merged ON merged.id = candidate.identity_id AND merged.merged_into_id IS NOT NULL
     AND merged.gallery_id = %s
    WHERE NOT EXISTS (
        SELECT FROM recognition_candidate other
        WHERE other.face_id = candidate.face_id AND other.identity_id = merged.merged_into_id
    )
    ORDER BY candidate.face_id, merged.merged_into_id, candidate.rank
) best
WHERE best.id = candidate.id
"""


def inspect_photo(photo: Photo) -> ImageInfo:
    """Checks size, format and dimensions, from the header alone.

    Raises Unprocessable, with 413 if the photo is too large, and Unavailable (out_of_memory).
    """
    try:
        return inspect(
            photo.data, max_bytes=settings.MAX_PHOTO_BYTES, max_pixels=settings.MAX_PHOTO_PIXELS, size=photo.size
        )
    except PhotoError as error:
        raise Unprocessable(retold(error.message), code=error.code, status=status_of(error.code)) from error
    except MemoryError as error:
        raise Unavailable(_(OUT_OF_MEMORY), code="out_of_memory", retry_after=10) from error


def require_worker(gallery: Gallery) -> None:
    """Raises Unavailable if no worker is running (no_worker) or too many photos are waiting already (queue_full)."""
    has_worker, is_full = queue.capacity(pack=gallery.pack)
    if not has_worker:
        raise Unavailable(
            _(
                "No recognition worker is running, so the photo would not be processed. "
                "Ask your operator to start one: manage.py recognition_worker"
            ),
            code="no_worker",
            retry_after=10,
        )
    if is_full:
        raise Unavailable(
            _(
                "Too many photos are waiting already. "
                "Send this one again in a few seconds, or ask your operator for more workers."
            ),
            code="queue_full",
            retry_after=5,
        )


def recognition_options(
    top_k: int, threshold: float | None, max_faces: int | None = None, min_detection_score: float | None = None
) -> dict[str, Any]:
    """The `options` of a request. Raises InvalidInput if one is out of range."""
    if not 1 <= top_k <= MAX_TOP_K:
        raise InvalidInput(f"top_k must be 1 to {MAX_TOP_K}.")
    if threshold is not None and not 0 < threshold <= 2:
        raise InvalidInput("threshold is a distance: it must be above 0 and at most 2.")
    if max_faces is not None and max_faces < 1:
        raise InvalidInput("max_faces must be 1 or more; leave it out for all faces.")
    _check_fraction("min_detection_score", min_detection_score)
    return {
        "top_k": top_k,
        "threshold": threshold,
        "max_faces": max_faces,
        "min_detection_score": min_detection_score,
    }


def _check_fraction(name: str, value: float | None) -> None:
    """Raises InvalidInput if it is given and not 0 to 1."""
    if value is not None and not 0 <= value <= 1:
        raise InvalidInput(f"{name} must be 0 to 1.")


def check_enrolment(photos: Sequence[Photo], quality_gate: str = "") -> None:
    """Raises InvalidInput if there are no photos or too many, or the quality gate is unknown."""
    if not photos:
        raise InvalidInput(_("Send at least one photo in the field “photos”."))
    if len(photos) > settings.MAX_PHOTOS_AN_ENROLMENT:
        message = _("Send at most %(most)s photos at once; %(sent)s were sent.")
        raise InvalidInput(message % {"most": settings.MAX_PHOTOS_AN_ENROLMENT, "sent": len(photos)})
    if quality_gate and quality_gate not in QualityGate.values:
        raise InvalidInput(f"quality_gate must be one of {', '.join(QualityGate.values)}.")


def _enrolment_request(
    actor: Actor,
    gallery: Gallery,
    person: Identity | NewPerson,
    photo: Photo,
    options: dict[str, Any],
    priority: Priority,
) -> RecognitionRequest:
    identity = person if isinstance(person, Identity) else None
    if isinstance(person, NewPerson):
        options["person"] = {"external_id": person.external_id, "name": person.name, **person.fields}
        if person.id:
            options["person"]["id"] = str(person.id)
    request = new_request(
        actor=actor, gallery=gallery, photo=photo, priority=priority, options=options, identity=identity
    )
    request.purpose = Purpose.ENROL
    try:
        with translation.override(SOURCE):  # what is stored is English; pages retell it
            request.photo_type = inspect_photo(photo).content_type
            if identity:
                require_consent(identity)
    except DomainError as error:
        request.photo = None
        request.status, request.finished_at = Status.FAILED, timezone.now()
        request.error_code, request.error_message = error.code, error.message
    return request


def new_request(*, actor: Actor, gallery: Gallery, photo: Photo, **values: Any) -> RecognitionRequest:
    """A row for the queue, not saved yet. values: further columns."""
    return RecognitionRequest(
        gallery=gallery,
        pack=gallery.pack,
        photo=photo.data,
        photo_name=photo.name.replace("\0", "")[-255:],
        photo_sha256=hashlib.sha256(photo.data).hexdigest(),
        requested_by=actor.user,
        requested_as=actor.as_record(),
        **values,
    )
