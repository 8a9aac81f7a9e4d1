"""Undoes changes of a gallery's settings: the audit's event has each setting as it was and as it became."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor
from accounts.models import AuditEvent
from accounts.querysets import UNDONE
from accounts.roles import Role
from faceplatform.errors import Conflict
from gallery.models import Gallery
from gallery.services import GALLERY_FIELDS, THRESHOLD_FIELDS, as_json, assign, validate_and_save


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that can be undone. read: a gallery's, by name, as JSON. write: sets some of them, without a word in the audit."""

    read: Callable[[Gallery], dict[str, Any]]
    write: Callable[[Gallery, dict[str, Any]], None]


def _read(gallery: Gallery) -> dict[str, Any]:
    return {name: as_json(getattr(gallery, name)) for name in GALLERY_FIELDS}


def _write(gallery: Gallery, values: dict[str, Any]) -> None:
    fields = {field.name: field for field in gallery._meta.concrete_fields}
    assign(gallery, {name: fields[name].to_python(value) for name, value in values.items()}, GALLERY_FIELDS)
    validate_and_save(gallery)


OWN = Settings(_read, _write)
_by_action = {"gallery.changed": OWN, "gallery.calibrated": OWN}


def also_undo_settings(action: str, settings: Settings) -> None:
    """Registers settings of another app whose changes are audited as `action`; for the `ready` of its config."""
    _by_action[action] = settings


def is_of_settings(event: AuditEvent) -> bool:
    return _action(event) in _by_action


def undo_settings(*, actor: Actor, gallery: Gallery, event: AuditEvent) -> AuditEvent:
    """Gives a locked gallery the settings back that it had before `event`; only its owners may. Returns the undo's event.

    Raises Conflict if one of them has been changed since, or a threshold is one of another pack.
    """
    actor.require_role(gallery, Role.OWNER)
    settings = _by_action[_action(event)]
    now = settings.read(gallery)
    details = event.details["settings"] if event.action == UNDONE else event.details
    changes = {name: values for name, values in details.items() if name in now and isinstance(values, list)}
    if any(now[name] != new for name, (__, new) in changes.items()):
        raise Conflict(_("A setting has been changed since. Undo the later change first."), code="edited_meanwhile")
    later = AuditEvent.objects.filter(gallery_id=gallery.pk, action="gallery.pack_changed", id__gt=event.pk)
    if not changes.keys().isdisjoint(THRESHOLD_FIELDS) and later.exists():
        raise Conflict(_("The gallery has another model pack since: a threshold of the old one says nothing there."))
    settings.write(gallery, {name: old for name, (old, __) in changes.items()})
    undone = {"undone": _action(event), "settings": {name: [new, old] for name, (old, new) in changes.items()}}
    return audit.record(actor=actor, action=UNDONE, gallery=gallery, target=event, details=undone)


def _action(event: AuditEvent) -> str:
    return event.details.get("undone", "") if event.action == UNDONE else event.action
