"""Acts on several faces of one person: each is one audit event, and one undo for all of them."""

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery.curation.services import lock_people, moved_meanwhile
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
        message = _("Some of these faces are marked as not %(name)s already.")
        raise Conflict(message % {"name": identity.name}, code="edited_meanwhile")
    FaceSample.objects.filter(pk__in=[row.pk for row in locked]).update(rejected=True)
    return _record(actor, "samples.rejected", identity, locked)


@audited
def move_samples(*, actor: Actor, identity: Identity, samples: Sequence[FaceSample], to: Identity) -> AuditEvent:
    """Moves the faces to another person in the gallery. Raises Conflict, too, if that one has a photo of them already."""
    if to.gallery_id != identity.gallery_id or to.pk == identity.pk:
        raise InvalidInput(_("Choose another person in the same gallery."))
    locked = _lock(actor, identity, samples, to)
    try:
        with transaction.atomic():
            FaceSample.objects.filter(pk__in=[row.pk for row in locked]).update(identity=to)
    except IntegrityError as error:
        message = _("%(name)s already has one of these photos. Delete that sample instead.")
        raise Conflict(message % {"name": to.name}, code="duplicate_photo") from error
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
            raise moved_meanwhile(seen)
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
