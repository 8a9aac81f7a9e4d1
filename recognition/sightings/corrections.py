"""Writes to one sighting: right, not X, is Y. All are audited and can be undone; nobody is alerted about the past.

A camera worker that goes on writing an open sighting must leave its name alone once `named_at` is set.
"""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict, InvalidInput
from gallery.models import FaceSample, Identity
from gallery.pack_in_force import hold_pack
from gallery.services import add_sample, require_consent
from recognition.attendance import services as attendance
from recognition.cameras.models import Sighting, SightingEmbedding, SightingFace, UnknownNot, UnknownPerson
from recognition.photos.models import Decision
from recognition.photos.naming import person_for
from recognition.sightings.enrolling import RefusedFace, as_enrolled, enrol_faces, hashes_of
from recognition.sightings.unknown_people import join, lock_unknowns, refresh

MEANWHILE = gettext_noop("This sighting has been corrected in the meantime. Look again, then make your change.")


@dataclass(frozen=True, slots=True)
class CorrectionResult:
    """The sighting as the change left it, what was enrolled and what was not, and the audit event that can be undone."""

    sighting: Sighting
    event: AuditEvent
    refused: tuple[RefusedFace, ...] = ()


@audited
def confirm_name(*, actor: Actor, sighting: Sighting) -> CorrectionResult:
    """ "Right": a curator has looked at the sighting. Raises Conflict if nobody is named, or somebody else by now."""
    locked = _lock(actor, sighting)
    if locked.identity_id is None or locked.identity_id != sighting.identity_id:
        raise Conflict(_(MEANWHILE), code="edited_meanwhile")
    _sign(actor, locked)
    return CorrectionResult(locked, _record(actor, "sighting.confirmed", locked, locked.identity))


@audited
def reject_name(*, actor: Actor, sighting: Sighting, identity: Identity) -> CorrectionResult:
    """ "Not X": the face becomes a rejected sample of the person, which keeps similar faces away, as in a photo. The sighting is
    of an unknown person again. Raises Conflict (edited_meanwhile) if it does not name this person.
    """
    locked = _lock(actor, sighting)
    named, unknowns = locked.identity, {locked.unknown_id}
    if named is None or _now(named) != _now(identity):
        raise Conflict(_(MEANWHILE), code="edited_meanwhile")
    remembered = _remember_not(actor, locked)
    _make_nameless(locked)
    _sign(actor, locked)
    refresh(pk for pk in {*unknowns, locked.unknown_id} if pk is not None)
    attendance.recount([named.pk])
    event = _record(actor, "sighting.corrected", locked, named, remembered=remembered)
    return CorrectionResult(locked, event)


@audited
def name_sighting(
    *, actor: Actor, sighting: Sighting, identity: Identity | None = None, name: str = "", enrol: bool = False
) -> CorrectionResult:
    """ "Is Y": the sighting shows `identity`, or a new person called `name`. It also says "not X" if it named somebody else.

    enrol: whether the best face becomes a sample, if it passes the quality gate. Raises NotAllowed, InvalidInput, and Conflict
    (consent_missing).
    """
    locked = _lock(actor, sighting)
    person = person_for(actor, locked.gallery, identity, name)
    require_consent(person)
    before, unknown = locked.identity_id, locked.unknown
    if before == person.pk:
        raise InvalidInput(_("This sighting names %(name)s already.") % {"name": person.name})
    if before is not None:
        _remember_not(actor, locked)
    locked.decision, locked.identity, locked.reason = Decision.KNOWN, person, ""
    if unknown is not None and unknown.identity_id is None:
        _leave(unknown, locked)
    _sign(actor, locked)
    faces = _faces_of(locked)[:1] if enrol else SightingFace.objects.none()
    samples, refused = enrol_faces(actor=actor, identity=person, faces=faces)
    refresh([unknown.pk] if unknown else [])
    attendance.recount({person.pk, *([before] if before else [])})
    details = {"identity": str(person.pk), "enrolled": [str(sample.pk) for sample in samples]}
    event = _record(actor, "sighting.corrected", locked, person, **details | ({"from": str(before)} if before else {}))
    return CorrectionResult(locked, event, tuple(refused))


def beside(sighting: Sighting) -> QuerySet[Sighting]:
    """Sightings of other tracks that the same camera saw at the same time: of other people."""
    same_time = Q(first_seen__lt=sighting.last_seen, last_seen__gt=sighting.first_seen)
    return Sighting.objects.filter(same_time, camera=sighting.camera_id).exclude(track=sighting.track).order_by()


def _lock(actor: Actor, sighting: Sighting) -> Sighting:
    actor.require_scope(Scope.ENROL)
    actor.require_role(sighting.gallery, Role.CURATOR)
    lock_unknowns(sighting.gallery_id)
    rows = Sighting.objects.select_for_update(of=("self",)).select_related("gallery", "camera", "identity", "unknown")
    row = rows.filter(pk=sighting.pk).first()
    if row is None:
        raise Conflict(_("This sighting has been deleted in the meantime."), code="deleted_meanwhile")
    return row


def _sign(actor: Actor, sighting: Sighting) -> None:
    sighting.named_later_by, sighting.named_at = actor.user, timezone.now()
    sighting.save(update_fields=["decision", "identity", "unknown", "reason", "named_later_by", "named_at"])


def _record(actor: Actor, action: str, sighting: Sighting, person: Identity | None, **details: object) -> AuditEvent:
    """On the person, not the sighting: an erasure finds it, and it is in the person's history."""
    details = {"sighting": str(sighting.pk)} | details
    return audit.record(actor=actor, action=action, gallery=sighting.gallery, target=person, details=details)


def _now(identity: Identity) -> UUID:
    """Whose it is now, after merges."""
    return (identity.current or identity).pk


def _faces_of(sighting: Sighting) -> QuerySet[SightingFace]:
    return sighting.faces.select_related("gallery", "sighting__camera").order_by("rank")


def _remember_not(actor: Actor, sighting: Sighting) -> bool:
    """Says "not X" of the sighting's best face. Faces of it that are enrolled as X are marked instead.

    A face of before a change of pack is kept with its old vector: as every sample that lacks one, it soon gets one of the pack
    in force (recognition/reembedding). Returns False if nothing can be remembered: X has been deleted, or no face has a vector.
    """
    person = sighting.identity.current if sighting.identity else None
    if person is None:
        return False
    faces = list(_faces_of(sighting))
    enrolled = FaceSample.objects.enrolled().filter(identity=person, photo_sha256__in=hashes_of(faces))
    if enrolled.update(rejected=True):
        return True
    pack = hold_pack(sighting.gallery_id)
    with_vector = [face for face in faces if face.vector is not None]
    if not with_vector:
        return False
    face = next((face for face in with_vector if face.pack == pack), with_vector[0])
    add_sample(actor=actor, identity=person, face=as_enrolled(face), pack=face.pack, rejected=True)
    return True


def _make_nameless(sighting: Sighting) -> None:
    """The sighting becomes one of an unknown person, or an unusable one if it has no vector."""
    sighting.identity = None
    if sighting.unknown is not None and sighting.unknown.identity_id is None:
        sighting.decision = Decision.UNKNOWN
        return
    embedding = SightingEmbedding.objects.filter(
        gallery=sighting.gallery_id, pack=sighting.pack, sighting=sighting
    ).first()
    if embedding is None:
        sighting.decision, sighting.unknown = Decision.UNUSABLE, None
        return
    sighting.decision = Decision.UNKNOWN
    others = set(beside(sighting).exclude(unknown=None).values_list("unknown", flat=True))
    join(sighting=sighting, vector=np.array(embedding.vector, "float32"), forbidden=others)


def _leave(unknown: UnknownPerson, sighting: Sighting) -> None:
    """Takes a sighting that got a name from its unknown person, or gives that one the name if it was their only one."""
    if Sighting.objects.filter(unknown=unknown).exclude(pk=sighting.pk).exists():
        sighting.unknown = None
        UnknownNot.objects.create(gallery_id=sighting.gallery_id, unknown=unknown, sighting=sighting)
    else:
        unknown.identity = sighting.identity
        unknown.save(update_fields=["identity"])
