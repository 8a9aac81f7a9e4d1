"""Writing the audit, and marking what belongs to one act. Inside the transaction of the act: both happen, or neither."""

import functools
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any
from uuid import UUID

import pghistory
from django.db import transaction

from accounts.actor import Actor
from accounts.models import AuditEvent
from faceplatform.database.compiled import insert

_change: ContextVar[UUID | None] = ContextVar("change", default=None)


def audited(service: Callable) -> Callable:
    """A service that writes: one transaction, and one change in the history tables, in the name of its `actor`."""

    @functools.wraps(service)
    def run(*args, **kwargs):
        who = {**kwargs["actor"].as_record(), "service": service.__name__}
        with transaction.atomic(), pghistory.context(**who) as context:
            token = _change.set(context.id)
            try:
                return service(*args, **kwargs)
            finally:
                _change.reset(token)

    return run


def record(*, actor: Actor, action: str, gallery=None, target=None, details: dict | None = None) -> AuditEvent:
    """Writes one event: `actor` did `action` (such as "identity.created") to `target`, a model instance, in `gallery`."""
    event = _event(actor=actor, action=action, gallery=gallery, target=target, details=details)
    insert([event], tracked=_change.get() is not None)
    return event


def record_all(events: Iterable[dict[str, Any]]) -> None:
    """Writes several events at once; each with the arguments of `record`."""
    insert([_event(**event) for event in events], tracked=_change.get() is not None)


def _event(*, actor: Actor, action: str, gallery=None, target=None, details: dict | None = None) -> AuditEvent:
    return AuditEvent(
        action=action,
        user=actor.user,
        user_name=actor.name,
        api_key_prefix=actor.api_key.prefix if actor.api_key else "",
        via=actor.via,
        ip=actor.ip,
        request_id=actor.request_id,
        change_id=_change.get(),
        gallery_id=gallery.pk if gallery else None,
        gallery_slug=gallery.slug if gallery else "",
        object_type=target._meta.model_name if target is not None else "",
        object_id=str(target.pk) if target is not None else "",
        object_name=str(target)[:200] if target is not None else "",
        details=details or {},
    )
