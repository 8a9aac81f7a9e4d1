"""Writes to one recognised face: right, and is Y or a new person. "Not X" is in rejections.py. All can be undone.

What the face was recognised as is replaced by the curator's word, and kept in the face's history; its candidates stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict, InvalidInput, Unprocessable
from faceplatform.web.languages import retold
from gallery.curation.history import PURGED, Further, RowChange
from gallery.models import FaceSample, Gallery, Identity, QualityGate
from gallery.pack_in_force import hold_pack
from gallery.services import add_sample, require_consent
from recognition.photos.models import Decision, RecognitionFace, RecognitionRequest
from recognition.photos.naming import looks_like, person_for, refused_by_gate
from recognition.photos.rejections import as_enrolled, forget_not, lock_face, remember_not
from recognition.photos.representation import decision_now
from recognition.photos.results.refusals import refusal

MEANWHILE = gettext_noop("This face has been corrected in the meantime. Look again, then make your change.")
OTHER_PACK = gettext_noop("The gallery has another model pack by now. Recognise the photo again, then enrol the face.")
NOT_KEPT = gettext_noop("The picture of this face has been deleted, so it cannot be enrolled.")


@dataclass(frozen=True, slots=True)
class NamedFace:
    """Who the face is now, the sample made of it, if any, and the audit event with which all of it can be undone."""

    identity: Identity
    sample: FaceSample | None
    event: AuditEvent


@audited
def confirm_face(*, actor: Actor, face: RecognitionFace, shown: Identity) -> AuditEvent:
    """ "Right": a curator has looked at the face. shown: whom the caller saw named.

    Raises NotAllowed, and Conflict (edited_meanwhile) if somebody else is named by now, or it is confirmed already.
    """
    locked = _lock(actor, face, shown)
    if locked.named_at is not None and locked.identity_id == shown.pk:
        raise Conflict(_("A curator has already said that this is right."), code="edited_meanwhile")
    _sign(actor, locked, shown)
    return _record(actor, "face.confirmed", locked, shown)


@audited
def name_face(
    *,
    actor: Actor,
    face: RecognitionFace,
    shown: Identity | None,
    identity: Identity | None = None,
    name: str = "",
    fields: Mapping[str, Any] | None = None,
    enrol: bool = True,
    gate: str = "",
) -> NamedFace:
    """ "Is Y": the face shows `identity`, or a new person called `name`; it also says "not X" of X, whom the caller saw named.

    shown: X, None if nobody was named. fields: further ones of a new person. enrol: whether the face becomes a sample, which
    a new person needs. gate: the quality gate, empty for the gallery's own. All or nothing: raises Unprocessable with a
    reason code where the gate refuses the face, NotAllowed, InvalidInput, and Conflict (edited_meanwhile, consent_missing,
    duplicate_photo, pack_changed).
    """
    locked = _lock(actor, face, shown)
    if identity is None and not enrol:
        raise InvalidInput(_("A new person needs a face. Enrol it, or choose somebody who is there."))
    if shown is not None and identity is not None and shown.pk == identity.pk:
        raise InvalidInput(_("This face is named %(name)s already.") % {"name": identity.name})
    if shown is not None and locked.vector is not None:
        remember_not(actor=actor, face=locked, identity=shown)  # first, as the face looks like the wrong person
    person = person_for(actor, face.request.gallery, identity, name, **(fields or {}))
    require_consent(person)
    forget_not(actor=actor, face=locked, identity=person)
    gate = gate or person.gallery.quality_gate
    sample = _enrol(actor, locked, person, gate) if enrol else None
    _sign(actor, locked, person)
    details: dict[str, Any] = {"identity": str(person.pk), "enrolled": [str(sample.pk)] if sample else []}
    details |= {"from": str(shown.pk)} if shown else {}
    details |= {"quality_gate": gate} if sample and gate != person.gallery.quality_gate else {}
    return NamedFace(person, sample, _record(actor, "face.named", locked, person, **details))


def _lock(actor: Actor, face: RecognitionFace, shown: Identity | None) -> RecognitionFace:
    """The face, locked, if it still names whom the caller saw. Raises Conflict (edited_meanwhile, deleted_meanwhile)."""
    actor.require_scope(Scope.ENROL)
    actor.require_role(face.request.gallery, Role.CURATOR)
    locked = lock_face(face)
    request = RecognitionRequest.objects.with_results().get(pk=locked.request_id)
    [current] = [row for row in request.faces.all() if row.pk == locked.pk]
    if decision_now(current, request)[1] != shown:
        raise Conflict(_(MEANWHILE), code="edited_meanwhile")
    return locked


def _enrol(actor: Actor, face: RecognitionFace, person: Identity, gate: str) -> FaceSample:
    pack = hold_pack(person.gallery_id)
    if face.vector is None:
        raise InvalidInput(_(NOT_KEPT))
    if face.request.pack != pack:
        raise Conflict(_(OTHER_PACK), code="pack_changed")
    if code := refused_by_gate(gate, face.quality_score, face.reasons):
        raise Unprocessable(retold(refusal(code)), code=code)
    if gate != QualityGate.OFF and (other := looks_like(face.vector, person, pack)):
        code = "identity_similarity_conflict"
        raise Unprocessable(retold(refusal(code, other=other.name, name=person.name)), code=code)
    return add_sample(actor=actor, identity=person, face=as_enrolled(face), pack=pack)


def _sign(actor: Actor, face: RecognitionFace, person: Identity) -> None:
    face.decision, face.identity = Decision.KNOWN, person
    face.named_by, face.named_at = actor.user, timezone.now()
    face.save(update_fields=["decision", "identity", "named_by", "named_at"])


def _record(actor: Actor, action: str, face: RecognitionFace, person: Identity, **details: object) -> AuditEvent:
    """On the person, not the recognition: an erasure finds it, and it is in the person's history."""
    details = {"recognition": str(face.request_id), "face": face.index} | details
    return audit.record(actor=actor, action=action, gallery=face.request.gallery, target=person, details=details)


# --- Undo ---
def _hold(gallery: Gallery) -> None:
    """Faces need no lock of their own beside the gallery's, which an undo holds."""


def _finish(changes: list[RowChange]) -> None:
    """Raises Conflict (purged) if a face would name somebody who is not there any more."""
    people = {change.before["identity_id"] for change in changes if change.before.get("identity_id")}
    if Identity.with_deleted.filter(pk__in=people).count() < len(people):
        raise Conflict(str(PURGED), code="purged")


FACES = Further((RecognitionFace,), _hold, _finish)
