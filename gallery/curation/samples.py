"""Acts on several faces of one person: each is one audit event, and one undo for all of them."""

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery.curation.services import MOVED_MEANWHILE, lock_people
from gallery.models import FaceSample, Identity


@audited
def delete_samples(*, actor: Actor, identity: Identity, samples: Sequence[FaceSample]) -> AuditEvent:
    """Takes the faces out of use, enrolled or “not X”. The purge deletes their crops and vectors.

    samples: the person's, as the caller saw them. Raises Conflict if one has been moved, marked or deleted since; so do the
    other acts.
    """
    locked = _lock(actor, identity, samples)
    FaceSample.objects.filter(pk__in=[row.pk for row in locked]).update(deleted_at=timezone.now())
    return _record(actor, "samples.deleted", identity, locked)


@audited
def reject_samples(*, actor: Actor, identity: Identity, samples: Sequence[FaceSample]) -> AuditEvent:
    """ "Not X": marks enrolled faces as not this person."""
    locked = _lock(actor, identity, samples)
    if any(row.rejected for row in locked):
        raise Conflict(f"Some of these faces are marked as not {identity.name} already.", code="edited_meanwhile")
    FaceSample.objects.filter(pk__in=[row.pk for row in locked]).update(rejected=True)
    return _record(actor, "samples.rejected", identity, locked)


@audited
def move_samples(*, actor: Actor, identity: Identity, samples: Sequence[FaceSample], to: Identity) -> AuditEvent:
    """Moves the faces to another person in the gallery. Raises Conflict, too, if that one has a photo of them already."""
    if to.gallery_id != identity.gallery_id or to.pk == identity.pk:
        raise InvalidInput("Choose another person in the same gallery.")
    locked = _lock(actor, identity, samples, to)
    try:
        with transaction.atomic():
            FaceSample.objects.filter(pk__in=[row.pk for row in locked]).update(identity=to)
    except IntegrityError as error:
        message = f"{to.name} already has one of these photos. Delete that sample instead."
        raise Conflict(message, code="duplicate_photo") from error
    return _record(
        actor, "samples.moved", identity, locked, {"from": identity.name, "to": to.name, "to_id": str(to.pk)}
    )


def _lock(actor: Actor, identity: Identity, samples: Sequence[FaceSample], *others: Identity) -> list[FaceSample]:
    actor.require_role(identity.gallery, Role.CURATOR)
    lock_people({identity.pk, *(other.pk for other in others)})
    rows = FaceSample.objects.select_for_update(of=("self",)).filter(pk__in=[row.pk for row in samples])
    locked = {row.pk: row for row in rows.order_by("pk")}
    for seen in samples:
        row = locked.get(seen.pk)
        if row is None or row.identity_id != identity.pk or row.rejected != seen.rejected:
            raise Conflict(MOVED_MEANWHILE.format(sample=seen), code="edited_meanwhile")
    return list(locked.values())


def _record(
    actor: Actor, action: str, identity: Identity, samples: list[FaceSample], more: dict[str, str] | None = None
) -> AuditEvent:
    photos = [row.photo_name for row in samples if row.photo_name]
    details = {
        "samples": len(samples),
        "photos": photos,
        "sample_ids": [str(row.pk) for row in samples],
        **(more or {}),
    }
    return audit.record(actor=actor, action=action, gallery=identity.gallery, target=identity, details=details)
