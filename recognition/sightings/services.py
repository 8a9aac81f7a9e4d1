"""Writes to unknown people: naming, merging, ignoring, splitting. All are audited and can be undone.

Each takes the gallery's lock first; see unknown_people.py. An audit event that tells a person's name is one on that person, so
that an erasure finds it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict, InvalidInput
from gallery.models import FaceSample, Gallery, Identity
from gallery.services import require_consent
from recognition.attendance import services as attendance
from recognition.cameras.models import Sighting, SightingFace, UnknownNot, UnknownPerson
from recognition.photos.models import Decision
from recognition.photos.naming import person_for
from recognition.sightings.enrolling import RefusedFace, diverse_faces, enrol_faces
from recognition.sightings.models import Suggestion
from recognition.sightings.undoing import forget_not
from recognition.sightings.unknown_people import lock_unknowns, make_unknown, refresh

MOST_MERGED = 100
CHOSEN_FROM = 200  # faces, the best
MEANWHILE = gettext_lazy("%(unknown)s has been named or merged in the meantime. Look again, then make your change.")


@dataclass(frozen=True, slots=True)
class UnknownResult:
    """The unknown person as the change left it, and the audit event with which it can be undone."""

    unknown: UnknownPerson
    event: AuditEvent


@dataclass(frozen=True, slots=True)
class NamingResult:
    """Who it is now, what was enrolled and what was not, and the audit event with which all of it can be undone."""

    identity: Identity
    samples: list[FaceSample]
    refused: list[RefusedFace]
    event: AuditEvent


@audited
def name_unknown(
    *,
    actor: Actor,
    unknown: UnknownPerson,
    identity: Identity | None = None,
    name: str = "",
    faces: Collection[UUID] | None = None,
    without: Collection[UUID] = (),
) -> NamingResult:
    """Says who an unknown person is: `identity`, or a new person called `name`. All of their sightings get the name.

    faces: which faces of the sightings become samples, if they pass the quality gate; None for the best three that differ.
    without: sightings of somebody else, who becomes an unknown person of their own. Nobody is alerted about the past. Raises
    NotAllowed, InvalidInput, and Conflict (edited_meanwhile, consent_missing).
    """
    _require_curator(actor, unknown.gallery)
    unknown = _lock(unknown)
    person = person_for(actor, unknown.gallery, identity, name)
    require_consent(person)
    if without:
        _split_off(unknown, without)
    sightings = Sighting.objects.filter(unknown=unknown)
    chosen = _chosen_faces(unknown, faces)
    named = sightings.update(
        decision=Decision.KNOWN, identity=person, named_later_by=actor.user, named_at=timezone.now()
    )
    unknown.identity = person
    unknown.save(update_fields=["identity"])
    samples, refused = enrol_faces(actor=actor, identity=person, faces=chosen)
    refresh([unknown.pk])
    Suggestion.objects.filter(Q(unknown=unknown) | Q(other=unknown)).delete()
    attendance.recount([person.pk])
    details = {"unknown": unknown.number, "identity": str(person.pk), "sightings": named}
    details["enrolled"] = [str(sample.pk) for sample in samples]
    event = audit.record(actor=actor, action="unknown.named", gallery=unknown.gallery, target=person, details=details)
    return NamingResult(person, samples, refused, event)


@audited
def merge_unknowns(*, actor: Actor, into: UnknownPerson, others: Sequence[UnknownPerson]) -> UnknownResult:
    """Gives `into` the sightings of `others`, who are the same person. Raises InvalidInput, and Conflict (edited_meanwhile)."""
    _require_curator(actor, into.gallery)
    keys = {other.pk for other in others}
    if not keys or len(keys) > MOST_MERGED or into.pk in keys or any(o.gallery_id != into.gallery_id for o in others):
        raise InvalidInput(_("Choose two to %(most)s unknown people of one gallery to merge.") % {"most": MOST_MERGED})
    into = _lock(into)
    sources = [_lock(other) for other in sorted(others, key=lambda row: row.pk)]
    moved = Sighting.objects.filter(unknown__in=sources).update(unknown=into)
    for source in sources:
        source.merged_into = into
        source.save(update_fields=["merged_into"])
        forget_not(into.pk, source.pk)
    refresh([into.pk, *keys])
    Suggestion.objects.filter(Q(unknown__in=keys) | Q(other__in=keys)).delete()
    into.refresh_from_db()
    details = {"unknown": [source.number for source in sources], "sightings": moved}
    event = audit.record(actor=actor, action="unknown.merged", gallery=into.gallery, target=into, details=details)
    return UnknownResult(into, event)


@audited
def set_ignored(*, actor: Actor, unknown: UnknownPerson, ignored: bool) -> UnknownResult:
    """Leaves an unknown person out of the pages and alerts, or shows them again. Raises Conflict if nothing would change."""
    _require_curator(actor, unknown.gallery)
    unknown = _lock(unknown)
    if unknown.ignored == ignored:
        text = _("%(unknown)s is ignored already.") if ignored else _("%(unknown)s is not ignored.")
        raise Conflict(text % {"unknown": unknown.called})
    unknown.ignored = ignored
    unknown.save(update_fields=["ignored"])
    action = "unknown.ignored" if ignored else "unknown.shown"
    return UnknownResult(unknown, audit.record(actor=actor, action=action, gallery=unknown.gallery, target=unknown))


@audited
def split_unknown(*, actor: Actor, unknown: UnknownPerson, sightings: Collection[UUID]) -> UnknownResult:
    """Makes a new unknown person of some sightings; they do not come together again by themselves. Returns the new one.

    Raises InvalidInput if they are not all of this unknown person, or are all there are; Conflict (edited_meanwhile).
    """
    _require_curator(actor, unknown.gallery)
    unknown = _lock(unknown)
    new = _split_off(unknown, sightings)
    details = {"new": new.number, "new_id": str(new.pk), "sightings": new.sightings_count}
    event = audit.record(actor=actor, action="unknown.split", gallery=unknown.gallery, target=unknown, details=details)
    return UnknownResult(new, event)


@audited
def deny_suggestion(
    *, actor: Actor, unknown: UnknownPerson, identity: Identity | None = None, other: UnknownPerson | None = None
) -> None:
    """Remembers that an unknown person is not this person, or not this other unknown person: it is suggested no more."""
    _require_curator(actor, unknown.gallery)
    who = identity or other
    if who is None or who.gallery_id != unknown.gallery_id or (identity and other) or who.pk == unknown.pk:
        raise InvalidInput(
            _("Say who this unknown person is not: one person, or another unknown one, of the same gallery.")
        )
    lock_unknowns(unknown.gallery_id)
    UnknownNot.objects.get_or_create(
        gallery=unknown.gallery, unknown=unknown, identity=identity, other=other, sighting=None
    )
    pair = Q(unknown=unknown, identity=identity, other=other)
    Suggestion.objects.filter(pair | Q(unknown=other, other=unknown) if other else pair).delete()
    details = {"unknown": unknown.number}
    audit.record(actor=actor, action="unknown.denied", gallery=unknown.gallery, target=who, details=details)


def _require_curator(actor: Actor, gallery: Gallery) -> None:
    actor.require_scope(Scope.ENROL)
    actor.require_role(gallery, Role.CURATOR)


def _lock(unknown: UnknownPerson) -> UnknownPerson:
    """As it is now, locked. Raises Conflict (edited_meanwhile) if it has a name or was merged since."""
    lock_unknowns(unknown.gallery_id)
    rows = UnknownPerson.objects.select_for_update(of=("self",)).select_related("gallery")
    row = rows.filter(pk=unknown.pk, identity=None, merged_into=None).first()
    if row is None:
        raise Conflict(MEANWHILE % {"unknown": unknown.called}, code="edited_meanwhile")
    return row


def _split_off(unknown: UnknownPerson, sightings: Collection[UUID]) -> UnknownPerson:
    theirs = Sighting.objects.filter(unknown=unknown)
    chosen = list(theirs.filter(pk__in=sightings).order_by("first_seen", "pk"))
    if not chosen or len(chosen) < len(set(sightings)) or len(chosen) == theirs.count():
        raise InvalidInput(
            _("Choose some sightings of %(unknown)s, but not all of them.") % {"unknown": unknown.called}
        )
    new = make_unknown(chosen[0])
    theirs.filter(pk__in=sightings).update(unknown=new)
    UnknownNot.objects.create(gallery_id=unknown.gallery_id, unknown=unknown, other=new)
    UnknownNot.objects.bulk_create(
        UnknownNot(gallery_id=unknown.gallery_id, unknown=unknown, sighting=sighting) for sighting in chosen
    )
    refresh([unknown.pk, new.pk])
    new.refresh_from_db()
    return new


def _chosen_faces(unknown: UnknownPerson, faces: Collection[UUID] | None) -> list[SightingFace]:
    rows = SightingFace.objects.filter(sighting__unknown=unknown).select_related("gallery", "sighting__camera")
    if faces is None:
        pack = unknown.gallery.pack
        best = list(rows.filter(pack=pack).order_by("-quality_score", "pk").defer("jpeg")[:CHOSEN_FROM])
        chosen = [face.pk for face in diverse_faces(best, gallery=unknown.gallery)]
        return list(rows.filter(pk__in=chosen))
    found = list(rows.filter(pk__in=faces))
    if len(found) < len(set(faces)):
        raise InvalidInput(_("Choose faces of %(unknown)s.") % {"unknown": unknown.called})
    return found
