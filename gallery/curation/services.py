"""Writes that keep a gallery clean: merge, split, move, “not X”, purge. All but the purge can be undone: see history.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery.models import FaceSample, Gallery, Identity, history_of
from gallery.services import CONSENT_FIELDS, create_identity, lock_identity, lock_sample

COPIED_IF_EMPTY = ("external_id", "department", "position")  # from the merged people
PURGE_BATCH = 500


@dataclass(frozen=True, slots=True)
class CurationResult:
    """The person as the change left it, and the audit event with which it can be undone."""

    identity: Identity
    event: AuditEvent


@audited
def merge_identities(*, actor: Actor, into: Identity, others: Sequence[Identity]) -> CurationResult:
    """Gives `into` all samples of `others`, who are the same person, and deletes them.

    Of a photo that both have, one sample is kept. Raises InvalidInput if they are not all in one gallery, Conflict if one of
    them has been merged or deleted in the meantime.
    """
    actor.require_role(into.gallery, Role.CURATOR)
    keys = {other.pk for other in others}
    if not keys or into.pk in keys or any(other.gallery_id != into.gallery_id for other in others):
        raise InvalidInput(_("Choose at least one other person in the same gallery to merge."))
    locked = lock_people({into.pk, *keys})
    into, sources = locked[into.pk], [locked[key] for key in sorted(keys)]
    photos = set(FaceSample.objects.filter(identity=into, rejected=False).values_list("photo_sha256", flat=True))
    moved = 0
    for source in sources:
        moved += _move_samples(source, into, photos)
        source.deleted_at, source.merged_into = timezone.now(), into
        source.save(update_fields=["deleted_at", "merged_into", "updated_at"])
    Identity.with_deleted.filter(merged_into__in=keys).update(merged_into=into)
    if _fill_empty_fields(into, sources) | _take_latest_consent(into, sources):
        into.save()
    details = {"merged": [source.name for source in sources], "samples": moved}
    event = audit.record(actor=actor, action="identity.merged", gallery=into.gallery, target=into, details=details)
    return CurationResult(into, event)


@audited
def split_identity(
    *, actor: Actor, identity: Identity, samples: Sequence[UUID], name: str, **fields: object
) -> CurationResult:
    """Moves some of the person's samples to a new person. fields: of IDENTITY_FIELDS.

    Raises InvalidInput if they are not all this person's, or are all the person has.
    """
    actor.require_role(identity.gallery, Role.CURATOR)
    identity = lock_people({identity.pk})[identity.pk]
    chosen = list(FaceSample.objects.select_for_update(of=("self",)).filter(identity=identity, pk__in=samples))
    if not chosen or len(chosen) != len(set(samples)):
        raise InvalidInput(_("Choose one or more samples, all of them of %(name)s.") % {"name": identity.name})
    if not identity.samples.enrolled().exclude(pk__in=[sample.pk for sample in chosen]).exists():
        raise InvalidInput(_("These are all the samples of this person. Change the name instead."))
    new_person = create_identity(actor=actor, gallery=identity.gallery, name=name, **fields)
    for sample in chosen:
        sample.identity = new_person
        sample.save(update_fields=["identity"])
    details = {"new": new_person.name, "new_id": str(new_person.pk), "samples": len(chosen)}
    event = audit.record(
        actor=actor, action="identity.split", gallery=identity.gallery, target=identity, details=details
    )
    return CurationResult(new_person, event)


@audited
def move_sample(*, actor: Actor, sample: FaceSample, to: Identity) -> CurationResult:
    """Moves a sample to another person in the gallery.

    sample: as the caller saw it. Raises Conflict if it has been moved since, or if `to` already has its photo.
    """
    gallery = sample.identity.gallery
    actor.require_role(gallery, Role.CURATOR)
    if to.gallery_id != sample.gallery_id or to.pk == sample.identity_id:
        raise InvalidInput(_("Choose another person in the same gallery."))
    people = lock_people({sample.identity_id, to.pk})
    locked = lock_sample(sample.pk)
    if locked.identity_id != sample.identity_id:
        raise moved_meanwhile(sample)
    details = {"from": people[sample.identity_id].name, "to": people[to.pk].name}
    locked.identity = people[to.pk]
    try:
        with transaction.atomic():
            locked.save(update_fields=["identity"])
    except IntegrityError as error:
        message = _("%(name)s already has this photo. Delete the sample instead.")
        raise Conflict(message % {"name": to.name}, code="duplicate_photo") from error
    event = audit.record(actor=actor, action="sample.moved", gallery=gallery, target=locked, details=details)
    return CurationResult(people[to.pk], event)


@audited
def reject_sample(*, actor: Actor, sample: FaceSample) -> CurationResult:
    """ "Not X": marks an enrolled face as not this person. It is kept, so that similar faces are not taken for the person."""
    gallery = sample.identity.gallery
    actor.require_role(gallery, Role.CURATOR)
    locked = lock_sample(sample.pk)
    if locked.rejected or locked.identity_id != sample.identity_id:
        raise moved_meanwhile(sample)
    locked.rejected = True
    locked.save(update_fields=["rejected"])
    details = {"identity": str(locked.identity_id), "photo": locked.photo_name}
    event = audit.record(actor=actor, action="sample.rejected", gallery=gallery, target=locked, details=details)
    return CurationResult(locked.identity, event)


def purge_deleted(*, before: datetime, gallery: Gallery | None = None) -> dict[str, int]:
    """Removes rows deleted before that moment for good, with their history. Returns how many: {"samples", "identities"}.

    gallery: only its rows.
    """
    samples = _purge(FaceSample, before, gallery)
    return {"samples": samples, "identities": _purge(Identity, before, gallery)}


def _purge(model: type[Identity] | type[FaceSample], before: datetime, gallery: Gallery | None) -> int:
    history, purged = history_of(model), 0
    old = model.with_deleted.filter(deleted_at__lt=before, **({"gallery": gallery} if gallery else {}))
    while keys := list(old.values_list("pk", flat=True)[:PURGE_BATCH]):
        with transaction.atomic():
            model.with_deleted.filter(pk__in=keys).delete()
            history.objects.filter(pgh_obj_id__in=keys).delete()
        purged += len(keys)
    return purged


def moved_meanwhile(sample: FaceSample) -> Conflict:
    message = _("“%(sample)s” has been moved or marked in the meantime. Reload and try again.")
    return Conflict(message % {"sample": sample}, code="edited_meanwhile")


def lock_people(keys: set[UUID]) -> dict[UUID, Identity]:
    """Locks people in the order of their keys. Raises Conflict if one has been merged or deleted in the meantime."""
    locked = {}
    for key in sorted(keys):
        identity = lock_identity(key)
        if identity.pk != key:
            message = _("This person has been merged into %(name)s in the meantime. Reload and try again.")
            raise Conflict(message % {"name": identity.name}, code="edited_meanwhile")
        locked[key] = identity
    return locked


def _move_samples(source: Identity, into: Identity, photos: set[str]) -> int:
    """Moves the samples, and deletes those whose photo is in `photos`. Returns how many were moved, and extends `photos`."""
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


def _fill_empty_fields(into: Identity, sources: Sequence[Identity]) -> bool:
    """Copies what `into` lacks. Returns whether anything was copied."""
    filled = False
    for field in COPIED_IF_EMPTY:
        value = next((getattr(source, field) for source in sources if getattr(source, field)), "")
        if value and not getattr(into, field):
            setattr(into, field, value)
            filled = True
    return filled


def _take_latest_consent(into: Identity, sources: Sequence[Identity]) -> bool:
    """The latest answer counts. Returns whether it was that of a source."""
    latest = max([into, *sources], key=lambda person: person.consent_at or date.min)
    for field in CONSENT_FIELDS:
        setattr(into, field, getattr(latest, field))
    return latest is not into
