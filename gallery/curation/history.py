"""Undoing a curation from the history that the database's triggers wrote.

Every update and deletion leaves the row as it was (gallery/models.py). The rows with one `pgh_context` are one act: the
audit event's `change_id`. Undoing gives each row its old values back, if nobody has changed them since. It is an act
itself, so it can be undone too.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, models, transaction
from django.utils import timezone

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.querysets import UNDOABLE, UNDONE
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery.models import FaceSample, Gallery, Identity, history_of

CHANGED_SINCE = "{row} has been changed since. Undo the later changes first."
PURGED = "What this changed has been purged: it cannot be undone any more."
UNCHECKED = {"updated_at"}  # follows the other fields


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that an act changed. before, after: the values of the fields that it changed."""

    row: Identity | FaceSample
    before: dict[str, Any]
    after: dict[str, Any]


@audited
def undo(*, actor: Actor, event: AuditEvent) -> AuditEvent:
    """Takes an act back. Raises InvalidInput where it is none that can be, Conflict where it was changed or purged since."""
    if event.action not in UNDOABLE or event.change_id is None or event.gallery_id is None:
        raise InvalidInput("This cannot be undone.")
    gallery = Gallery.objects.filter(pk=event.gallery_id).first()
    if gallery is None:
        raise InvalidInput("This cannot be undone: its gallery has been deleted.")
    actor.require_role(gallery, Role.CURATOR)
    Gallery.objects.select_for_update(no_key=True).get(pk=gallery.pk)
    if AuditEvent.objects.filter(action=UNDONE, object_id=str(event.pk)).exists():
        raise Conflict("This has been undone already.")
    people = changes_of(Identity, event.change_id)
    samples = changes_of(FaceSample, event.change_id)
    made, rejected = _inserted(Identity, event.change_id), _inserted(FaceSample, event.change_id)
    if not (people or samples or made or rejected):
        raise Conflict(PURGED, code="purged")
    try:
        with transaction.atomic():
            _restore([*_order(people), *samples])
    except IntegrityError as error:
        message = "Somebody else has the external id or the photo meanwhile. Change that first."
        raise Conflict(message) from error
    FaceSample.objects.filter(pk__in=rejected).update(deleted_at=timezone.now())
    _take_back(made)
    _check_people(samples)
    details = {"undone": event.action, **({"name": event.object_name} if event.object_name else {})}
    return audit.record(actor=actor, action=UNDONE, gallery=gallery, target=event, details=details)


def changes_of(model: type[Identity] | type[FaceSample], change_id: UUID) -> list[RowChange]:
    """What the act changed in rows of `model`, which are locked. Raises Conflict where one was purged or changed since."""
    history = history_of(model)
    records = history.objects.filter(pgh_context_id=change_id, pgh_label="update").order_by("pgh_id")
    first: dict[UUID, Any] = {}
    last: dict[UUID, Any] = {}
    for record in records:
        first.setdefault(record.pgh_obj_id, record)
        last[record.pgh_obj_id] = record
    rows = model.with_deleted.select_for_update(of=("self",)).in_bulk(sorted(first))
    if len(rows) < len(first):
        raise Conflict(PURGED, code="purged")
    fields = [field.attname for field in history._meta.fields if not field.name.startswith("pgh_")]
    changes = []
    for key, record in first.items():
        later = history.objects.filter(pgh_obj_id=key, pgh_id__gt=last[key].pgh_id).order_by("pgh_id").first()
        change = _change(rows[key], record, later or rows[key], fields)
        if any(getattr(rows[key], name) != value for name, value in change.after.items() if name not in UNCHECKED):
            raise Conflict(CHANGED_SINCE.format(row=rows[key]), code="edited_meanwhile")
        changes.append(change)
    return changes


def _change(row: Identity | FaceSample, before: models.Model, after: models.Model, fields: list[str]) -> RowChange:
    changed = [name for name in fields if getattr(before, name) != getattr(after, name)]
    return RowChange(
        row, {name: getattr(before, name) for name in changed}, {name: getattr(after, name) for name in changed}
    )


def _order(people: list[RowChange]) -> list[RowChange]:
    """Those first who give their external id up, or are deleted."""
    return sorted(people, key=lambda c: bool(c.before.get("external_id")) or c.before.get("deleted_at", 1) is None)


def _restore(changes: list[RowChange]) -> None:
    for change in changes:
        type(change.row).with_deleted.filter(pk=change.row.pk).update(**change.before)


def _inserted(model: type[Identity] | type[FaceSample], change_id: UUID) -> list[UUID]:
    """Rows that the act made: the new person of a split, the rejected face of a "not X"."""
    history = history_of(model)
    records = history.objects.filter(pgh_context_id=change_id, pgh_label="insert")
    return list(records.values_list("pgh_obj_id", flat=True))


def _take_back(made: list[UUID]) -> None:
    """Deletes people whom the act made. Raises Conflict where they have got samples of their own since."""
    for identity in Identity.objects.filter(pk__in=made):
        if identity.samples.exists():
            message = f"{identity} has got samples since. Move them first, or merge the two."
            raise Conflict(message, code="edited_meanwhile")
    Identity.objects.filter(pk__in=made).update(deleted_at=timezone.now())


def _check_people(samples: list[RowChange]) -> None:
    """A sample that comes back comes back to somebody."""
    owners = {change.before["identity_id"] for change in samples if "identity_id" in change.before}
    if Identity.with_deleted.filter(pk__in=owners).count() < len(owners):
        raise Conflict(PURGED, code="purged")
    keys = [change.row.pk for change in samples]
    lost = FaceSample.with_deleted.filter(pk__in=keys, deleted_at=None, identity__deleted_at__isnull=False)
    if row := lost.select_related("identity").first():
        raise Conflict(f"{row.identity} has been deleted since. Undo that first.", code="edited_meanwhile")
