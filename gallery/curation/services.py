"""Writes that keep a gallery clean: merge, split, move, “not X”, purge. gallery/curation/history.py undoes what can be undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery.models import FaceSample, Identity, history_of
from gallery.services import CONSENT_FIELDS, create_identity, lock_identity, lock_sample

FILLED = ("external_id", "department", "position")  # taken over from a merged person where they are empty
MOVED_MEANWHILE = "{sample} belongs to somebody else meanwhile. Look at the page again."
PURGE_BATCH = 500


@dataclass(frozen=True, slots=True)
class Curated:
    """What a curation left: the person, and the audit event by which it can be undone."""

    identity: Identity
    event: AuditEvent


@audited
def merge_identities(*, actor: Actor, into: Identity, others: Sequence[Identity]) -> Curated:
    """Gives `into` all samples of `others`, who are the same person, and deletes them.

    A photo that both have stays once. Raises InvalidInput where they are not of one gallery, Conflict where one of them was
    merged or deleted meanwhile.
    """
    actor.require_role(into.gallery, Role.CURATOR)
    keys = {other.pk for other in others}
    if not keys or into.pk in keys or any(other.gallery_id != into.gallery_id for other in others):
        raise InvalidInput("Name at least one other person of the same gallery to merge.")
    locked = _lock_standing({into.pk, *keys})
    into, sources = locked[into.pk], [locked[key] for key in sorted(keys)]
    photos = set(FaceSample.objects.filter(identity=into, rejected=False).values_list("photo_sha256", flat=True))
    moved = 0
    for source in sources:
        moved += _move_all(source, into, photos)
        source.deleted_at, source.merged_into = timezone.now(), into
        source.save(update_fields=["deleted_at", "merged_into", "updated_at"])
    Identity.with_deleted.filter(merged_into__in=keys).update(merged_into=into)
    if _fill(into, sources) | _take_latest_consent(into, sources):
        into.save()
    details = {"merged": [source.name for source in sources], "samples": moved}
    event = audit.record(actor=actor, action="identity.merged", gallery=into.gallery, target=into, details=details)
    return Curated(into, event)


@audited
def split_identity(
    *, actor: Actor, identity: Identity, samples: Sequence[UUID], name: str, **fields: object
) -> Curated:
    """Makes a new person of some of the samples. Raises InvalidInput where they are not this person's, or are all of them."""
    actor.require_role(identity.gallery, Role.CURATOR)
    identity = _lock_standing({identity.pk})[identity.pk]
    own = list(FaceSample.objects.select_for_update(of=("self",)).filter(identity=identity, pk__in=samples))
    if not own or len(own) != len(set(samples)):
        raise InvalidInput(f"Name one or more samples of {identity.name}, and none of somebody else.")
    if not identity.samples.enrolled().exclude(pk__in=[sample.pk for sample in own]).exists():
        raise InvalidInput("These are all the samples of the person. Change the name instead.")
    made = create_identity(actor=actor, gallery=identity.gallery, name=name, **fields)
    for sample in own:
        sample.identity = made
        sample.save(update_fields=["identity"])
    details = {"new": made.name, "new_id": str(made.pk), "samples": len(own)}
    event = audit.record(
        actor=actor, action="identity.split", gallery=identity.gallery, target=identity, details=details
    )
    return Curated(made, event)


@audited
def move_sample(*, actor: Actor, sample: FaceSample, to: Identity) -> Curated:
    """Gives a sample to another person of the gallery. `sample` as the caller saw it: Conflict where it was moved meanwhile."""
    gallery = sample.identity.gallery
    actor.require_role(gallery, Role.CURATOR)
    if to.gallery_id != sample.gallery_id or to.pk == sample.identity_id:
        raise InvalidInput("Name another person of the same gallery.")
    people = _lock_standing({sample.identity_id, to.pk})
    locked = lock_sample(sample.pk)
    if locked.identity_id != sample.identity_id:
        raise Conflict(MOVED_MEANWHILE.format(sample=sample), code="edited_meanwhile")
    details = {"from": people[sample.identity_id].name, "to": people[to.pk].name}
    locked.identity = people[to.pk]
    try:
        with transaction.atomic():
            locked.save(update_fields=["identity"])
    except IntegrityError as error:
        message = f"{to.name} has this photo already. Delete the sample instead."
        raise Conflict(message, code="duplicate_photo") from error
    event = audit.record(actor=actor, action="sample.moved", gallery=gallery, target=locked, details=details)
    return Curated(people[to.pk], event)


@audited
def reject_sample(*, actor: Actor, sample: FaceSample) -> Curated:
    """ "Not X": the enrolled face is not this person. It stays as what the person is not, and keeps such faces away."""
    gallery = sample.identity.gallery
    actor.require_role(gallery, Role.CURATOR)
    locked = lock_sample(sample.pk)
    if locked.rejected or locked.identity_id != sample.identity_id:
        raise Conflict(MOVED_MEANWHILE.format(sample=sample), code="edited_meanwhile")
    locked.rejected = True
    locked.save(update_fields=["rejected"])
    details = {"identity": str(locked.identity_id), "photo": locked.photo_name}
    event = audit.record(actor=actor, action="sample.rejected", gallery=gallery, target=locked, details=details)
    return Curated(locked.identity, event)


def purge_deleted(*, before: datetime) -> dict[str, int]:
    """Deletes for good what was deleted before that moment, with its history. Gives how many rows of each went."""
    samples = _purge(FaceSample, before)
    return {"samples": samples, "identities": _purge(Identity, before)}


def _purge(model: type[Identity] | type[FaceSample], before: datetime) -> int:
    history, gone = history_of(model), 0
    old = model.with_deleted.filter(deleted_at__lt=before)
    while keys := list(old.values_list("pk", flat=True)[:PURGE_BATCH]):
        with transaction.atomic():
            model.with_deleted.filter(pk__in=keys).delete()
            history.objects.filter(pgh_obj_id__in=keys).delete()
        gone += len(keys)
    return gone


def _lock_standing(keys: set[UUID]) -> dict[UUID, Identity]:
    """Locks people in the order of their keys. Raises Conflict where one was merged or deleted meanwhile."""
    found = {}
    for key in sorted(keys):
        identity = lock_identity(key)
        if identity.pk != key:
            message = f"Somebody has merged this person into {identity.name} meanwhile. Look at the page again."
            raise Conflict(message, code="edited_meanwhile")
        found[key] = identity
    return found


def _move_all(source: Identity, into: Identity, photos: set[str]) -> int:
    """Moves the samples; those whose photo `into` has already are deleted. Adds the photos moved to `photos`."""
    moved = 0
    for sample in FaceSample.objects.select_for_update(of=("self",)).filter(identity=source):
        if not sample.rejected and sample.photo_sha256 in photos:
            sample.deleted_at = timezone.now()
            sample.save(update_fields=["deleted_at"])
            continue
        photos.add(sample.photo_sha256)
        sample.identity = into
        sample.save(update_fields=["identity"])
        moved += 1
    return moved


def _fill(into: Identity, sources: Sequence[Identity]) -> bool:
    """Takes over what `into` lacks. Returns whether there was anything."""
    filled = False
    for field in FILLED:
        value = next((getattr(source, field) for source in sources if getattr(source, field)), "")
        if value and not getattr(into, field):
            setattr(into, field, value)
            filled = True
    return filled


def _take_latest_consent(into: Identity, sources: Sequence[Identity]) -> bool:
    """What the person said last counts. Returns whether that was under one of the other names."""
    latest = max([into, *sources], key=lambda person: person.consent_at or date.min)
    for field in CONSENT_FIELDS:
        setattr(into, field, getattr(latest, field))
    return latest is not into
