"""Undoes changes from the history that triggers in the database write.

On every update and deletion a trigger keeps the old row (gallery/models.py). The rows of one change share a `pgh_context`,
which is the audit event's `change_id`. Undo gives each row its old values back, if nobody has changed them since. Samples that
a change enrolled are named in the event's details, and are deleted. An undo is a change too, so it can be undone in turn.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, models, transaction
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.querysets import UNDOABLE, UNDONE
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery.curation.settings import is_of_settings, undo_settings
from gallery.models import FaceSample, Gallery, Identity, history_of

PURGED = gettext_lazy("The data has been purged, so this can no longer be undone.")
MOVED = "people.moved"
NOT_COMPARED = {"updated_at"}  # changes with every save


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row with the fields that the change altered. before, after: their values."""

    row: models.Model
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Further:
    """Rows of another app that changes alter as well, beside people and samples.

    models: with a history table of `keeps_history`; a row that has been deleted for good since is left out. lock: called with
    the gallery before rows are locked. finish: called with the changes once their rows are as before; it may raise Conflict.
    """

    models: tuple[type[models.Model], ...]
    lock: Callable[[Gallery], None]
    finish: Callable[[list[RowChange]], None]


_further: list[Further] = []


def also_undo(further: Further) -> None:
    """Registers rows of another app; for the `ready` of its config."""
    if further not in _further:
        _further.append(further)


@audited
def undo(*, actor: Actor, event: AuditEvent) -> AuditEvent:
    """Undoes the change of `event`; returns the audit event of the undo.

    Raises InvalidInput if it is of a kind that cannot be undone, Conflict if a row has been changed or purged since or the
    change has already been undone, and NotAllowed below curators, for settings below owners.
    """
    if event.action not in UNDOABLE or event.change_id is None or event.gallery_id is None:
        raise InvalidInput(_("This kind of change cannot be undone."))
    gallery = Gallery.objects.filter(pk=event.gallery_id).first()
    if gallery is None:
        raise InvalidInput(_("This cannot be undone: the gallery has been deleted."))
    actor.require_role(gallery, Role.CURATOR)
    gallery = Gallery.objects.select_for_update(no_key=True).get(pk=gallery.pk)
    if AuditEvent.objects.filter(action=UNDONE, object_id=str(event.pk)).exists():
        raise Conflict(_("This has already been undone."))
    if is_of_settings(event):
        return undo_settings(actor=actor, gallery=gallery, event=event)
    for further in _further:
        further.lock(gallery)
    people = _lock_changes(Identity, event.change_id)
    created = _inserted_keys(Identity, event.change_id)
    _require_others(actor, gallery, [*created, *(change.row.pk for change in people)])
    samples = _lock_changes(FaceSample, event.change_id)
    others = [
        (further, [change for model in further.models for change in _lock_changes(model, event.change_id, True)])
        for further in _further
    ]
    enrolled = _lock_enrolled(event)
    new_rejections = _inserted_keys(FaceSample, event.change_id)
    if not (people or samples or created or new_rejections or any(changes for __, changes in others)):
        raise Conflict(str(PURGED), code="purged")
    try:
        with transaction.atomic():
            _restore([*_in_restore_order(people), *samples])
            for __, changes in others:
                _restore(changes)
    except IntegrityError as error:
        message = _("Another person has taken the external id or the photo in the meantime. Change that first.")
        raise Conflict(message) from error
    FaceSample.objects.filter(pk__in=[*new_rejections, *enrolled]).update(deleted_at=timezone.now())
    _delete_created_people(created, event)
    _check_owners(samples)
    for further, changes in others:
        further.finish(changes)
    details = {"undone": event.action, **({"name": event.object_name} if event.object_name else {})}
    return audit.record(actor=actor, action=UNDONE, gallery=gallery, target=event, details=details)


def _changed_since(row: models.Model) -> Conflict:
    message = _("%(row)s has been changed since. Undo the later changes first.")
    return Conflict(message % {"row": row}, code="edited_meanwhile")


def _lock_changes(model: type[models.Model], change_id: UUID, may_be_gone: bool = False) -> list[RowChange]:
    """Locks the rows of `model` that the change altered. Raises Conflict if one has been changed since; or purged, unless it
    may be gone."""
    history = history_of(model)
    records = history.objects.filter(pgh_context_id=change_id, pgh_label="update").order_by("pgh_id")
    first: dict[UUID, Any] = {}
    for record in records:
        first.setdefault(record.pgh_obj_id, record)
    rows = model._base_manager.select_for_update(of=("self",)).in_bulk(sorted(first))
    if len(rows) < len(first) and not may_be_gone:
        raise Conflict(str(PURGED), code="purged")
    first = {key: record for key, record in first.items() if key in rows}
    fields = [field.attname for field in history._meta.fields if not field.name.startswith("pgh_")]
    later = _next_records(history, change_id, {record.pgh_obj_id: record.pgh_id for record in records})
    changes = []
    for key, record in first.items():
        change = _row_change(rows[key], record, later.get(key, rows[key]), fields)
        if any(getattr(rows[key], name) != value for name, value in change.after.items() if name not in NOT_COMPARED):
            raise _changed_since(rows[key])
        changes.append(change)
    return changes


def _next_records(history: Any, change_id: UUID, last: dict[UUID, int]) -> dict[UUID, Any]:
    """Row → the record of the next change after this one. A row that nobody has changed since has none.

    last: row → the id of the change's last record of it.
    """
    if not last:
        return {}
    later = history.objects.filter(pgh_obj_id__in=list(last), pgh_id__gt=min(last.values()))
    found: dict[UUID, Any] = {}
    for record in later.exclude(pgh_context_id=change_id).order_by("pgh_id"):
        if record.pgh_id > last[record.pgh_obj_id]:
            found.setdefault(record.pgh_obj_id, record)
    return found


def _lock_enrolled(event: AuditEvent) -> list[UUID]:
    """The samples that the change enrolled for whom it named. Raises Conflict if one has been moved or rejected since."""
    keys = event.details.get("enrolled", [])
    samples = list(FaceSample.objects.select_for_update(of=("self",)).filter(pk__in=keys))
    for sample in samples:
        if sample.rejected or str(sample.identity_id) != event.details["identity"]:
            raise _changed_since(sample)
    return [sample.pk for sample in samples]


def _row_change(row: models.Model, before: models.Model, after: models.Model, fields: list[str]) -> RowChange:
    changed = [name for name in fields if getattr(before, name) != getattr(after, name)]
    return RowChange(
        row, {name: getattr(before, name) for name in changed}, {name: getattr(after, name) for name in changed}
    )


def _in_restore_order(people: list[RowChange]) -> list[RowChange]:
    """People who give up their external id, or are deleted, come first: another of them may take it back. Alike ones are
    neighbours."""

    def order(change: RowChange) -> tuple[bool, str]:
        before = change.before
        return bool(before.get("external_id")) or before.get("deleted_at", 1) is None, repr(_compared(before))

    return sorted(people, key=order)


def _compared(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in NOT_COMPARED}


def _restore(changes: list[RowChange]) -> None:
    """Neighbours that get the same values back, such as the samples of a merge, are written together."""
    for (model, before), same in groupby(changes, key=lambda change: (type(change.row), _compared(change.before))):
        rows = list(same)
        own = {name: _each_its_own(rows, name) for name in rows[0].before.keys() & NOT_COMPARED}
        model._base_manager.filter(pk__in=[change.row.pk for change in rows]).update(**before, **own)


def _each_its_own(changes: list[RowChange], name: str) -> RawSQL:
    """For one update of rows that get different times back."""
    table = connection.ops.quote_name(changes[0].row._meta.db_table)
    times = {str(change.row.pk): change.before[name].isoformat() for change in changes}
    return RawSQL(f"(%s::jsonb ->> {table}.id::text)::timestamptz", [json.dumps(times)])


def _inserted_keys(model: type[models.Model], change_id: UUID) -> list[UUID]:
    """Keys of the rows that the change inserted: the new person of a split, the rejected face of a "not X"."""
    history = history_of(model)
    records = history.objects.filter(pgh_context_id=change_id, pgh_label="insert")
    return list(records.values_list("pgh_obj_id", flat=True))


def _require_others(actor: Actor, gallery: Gallery, people: list[UUID]) -> None:
    """Raises NotAllowed below curators of a gallery that the change reached beside this one."""
    others = Gallery.objects.filter(identities__in=people).exclude(pk=gallery.pk).distinct()
    for other in others.order_by("pk") if people else ():
        actor.require_role(other, Role.CURATOR)


def _delete_created_people(created: list[UUID], event: AuditEvent) -> None:
    """Deletes the people that the change created. Raises Conflict if one has got other samples since."""
    samples = FaceSample.objects.filter(identity__in=created)
    if event.action == MOVED:  # they came with their samples
        samples = samples.filter(created_at__gt=event.at)
    if sample := samples.select_related("identity").first():
        message = _("%(name)s has got new samples since. Move them first, or merge the two people.")
        raise Conflict(message % {"name": sample.identity}, code="edited_meanwhile")
    Identity.objects.filter(pk__in=created).update(deleted_at=timezone.now())


def _check_owners(samples: list[RowChange]) -> None:
    """Raises Conflict if a restored sample would belong to somebody who has been deleted or purged."""
    owners = {change.before["identity_id"] for change in samples if "identity_id" in change.before}
    if Identity.with_deleted.filter(pk__in=owners).count() < len(owners):
        raise Conflict(str(PURGED), code="purged")
    keys = [change.row.pk for change in samples]
    ownerless = FaceSample.with_deleted.filter(pk__in=keys, deleted_at=None, identity__deleted_at__isnull=False)
    if row := ownerless.select_related("identity").first():
        message = _("%(name)s has been deleted since. Undo that first.")
        raise Conflict(message % {"name": row.identity}, code="edited_meanwhile")
