"""Writes: "not X", a curator's word that a recognised face is not a certain person."""

import io

import numpy as np
from django.utils.translation import gettext as _
from PIL import Image

from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict, InvalidInput
from gallery.curation.services import reject_sample
from gallery.models import FaceSample, Identity
from gallery.querysets import FaceSampleQuerySet
from gallery.services import EnrolledFace, add_sample, delete_sample
from recognition.photos.models import RecognitionFace, Rejection


@audited
def reject_identity(*, actor: Actor, face: RecognitionFace, identity: Identity) -> AuditEvent:
    """Records that `face` is not `identity`, as a rejected sample of the person, which keeps similar faces away.

    Returns the audit event, which can be undone. Raises NotAllowed, InvalidInput if the face was never compared with the
    person, and Conflict if this is recorded already.
    """
    actor.require_scope(Scope.ENROL)
    actor.require_role(identity.gallery, Role.CURATOR)
    if face.vector is None or face.request.gallery_id != identity.gallery_id:
        raise InvalidInput(_("This face was not compared with this person. Recognise the photo again first."))
    lock_face(face)
    if Rejection.objects.standing().filter(face=face, sample__identity=identity).exists():
        raise Conflict(_("A curator has already said that this is not %(name)s.") % {"name": identity.name})
    return remember_not(actor=actor, face=face, identity=identity)


def remember_not(*, actor: Actor, face: RecognitionFace, identity: Identity) -> AuditEvent:
    """The same, inside another change. If the face itself is enrolled as the person, that sample is marked."""
    enrolled = samples_of(face).enrolled().filter(identity=identity).select_related("identity__gallery").first()
    if enrolled is None:
        sample = add_sample(
            actor=actor, identity=identity, face=as_enrolled(face), pack=face.request.pack, rejected=True
        )
        event = AuditEvent.objects.get(action="sample.rejected", object_id=str(sample.pk))
    else:
        sample, event = enrolled, reject_sample(actor=actor, sample=enrolled).event
    Rejection.objects.get_or_create(face=face, sample=sample)
    return event


def forget_not(*, actor: Actor, face: RecognitionFace, identity: Identity) -> None:
    """Inside another change: takes back that the face is not this person."""
    for rejection in Rejection.objects.standing().filter(face=face, sample__identity=identity):
        delete_sample(actor=actor, sample=rejection.sample)


def lock_face(face: RecognitionFace) -> RecognitionFace:
    """The face as it is now, locked. Raises Conflict (deleted_meanwhile)."""
    row = RecognitionFace.objects.select_for_update(of=("self",)).filter(pk=face.pk).first()
    if row is None:
        raise Conflict(_("This recognition has been deleted in the meantime."), code="deleted_meanwhile")
    row.request = face.request
    return row


def samples_of(face: RecognitionFace) -> FaceSampleQuerySet:
    """The samples made of this face; one photo may have several faces."""
    request = face.request
    return FaceSample.objects.filter(gallery_id=request.gallery_id, photo_sha256=request.photo_sha256, box=face.box)


def as_enrolled(face: RecognitionFace) -> EnrolledFace:
    """A recognised face as an enrolment has it. Takes one whose picture and vector are kept."""
    request, jpeg = face.request, bytes(face.crop)
    photo_width, photo_height = request.photo_size
    with Image.open(io.BytesIO(jpeg)) as crop:
        width, height = crop.size
    return EnrolledFace(
        photo_name=request.photo_name,
        photo_sha256=request.photo_sha256,
        photo_width=photo_width,
        photo_height=photo_height,
        box=face.box,
        detection_score=face.detection_score,
        quality_score=face.quality_score,
        quality={"measures": {}, "reasons": face.reasons},
        crop_jpeg=jpeg,
        crop_width=width,
        crop_height=height,
        crop_landmarks=face.crop_landmarks,
        embedding=np.array(face.vector, "float32"),
    )
