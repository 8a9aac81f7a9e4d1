"""Writes: "not X", a curator's word that a recognised face is not a certain person."""

import io

import numpy as np
from PIL import Image

from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict, InvalidInput
from gallery.models import Identity
from gallery.services import EnrolledFace, add_sample
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
        raise InvalidInput("This face was not compared with this person. Recognise the photo again first.")
    existing = Rejection.objects.filter(face=face, sample__identity=identity, sample__deleted_at=None)
    if existing.exists():
        raise Conflict(f"A curator has already said that this is not {identity.name}.")
    sample = add_sample(actor=actor, identity=identity, face=_as_enrolled(face), pack=face.request.pack, rejected=True)
    Rejection.objects.create(face=face, sample=sample)
    return AuditEvent.objects.get(action="sample.rejected", object_id=str(sample.pk))


def _as_enrolled(face: RecognitionFace) -> EnrolledFace:
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
