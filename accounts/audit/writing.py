"""Writes the audit in the transaction of the act, so that both happen or neither, and marks all changes of an act as one."""

import functools
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import pghistory
from django.db import transaction
from django.db.models import Model

from accounts.actor import Actor
from accounts.galleries import GalleryRow
from accounts.models import AuditEvent
from faceplatform.database.compiled import insert

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_change_id: ContextVar[UUID | None] = ContextVar("change_id", default=None)


def audited(service: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorates a service that writes: it becomes one transaction, and one change in the history tables by its `actor`.

    The service takes `actor` as a keyword argument.
    """

    @functools.wraps(service)
    def in_one_change(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        actor = kwargs["actor"]
        assert isinstance(actor, Actor)
        metadata = {**actor.as_record(), "service": service.__name__}
        with transaction.atomic(), pghistory.context(**metadata) as context:
            token = _change_id.set(context.id)
            try:
                return service(*args, **kwargs)
            finally:
                _change_id.reset(token)

    return in_one_change


def record(
    *,
    actor: Actor,
    action: str,
    gallery: GalleryRow | None = None,
    target: Model | None = None,
    details: dict[str, Any] | None = None,
) -> AuditEvent:
    """Writes one event: `actor` did `action` (such as "identity.created") to `target` in `gallery`. details: JSON."""
    event = _event(actor=actor, action=action, gallery=gallery, target=target, details=details)
    insert([event], tracked=_change_id.get() is not None)
    return event


def record_all(events: Iterable[dict[str, Any]]) -> None:
    """Writes several events at once; each is a dictionary of the arguments of `record`."""
    insert([_event(**event) for event in events], tracked=_change_id.get() is not None)


def _event(
    *,
    actor: Actor,
    action: str,
    gallery: GalleryRow | None = None,
    target: Model | None = None,
    details: dict[str, Any] | None = None,
) -> AuditEvent:
    return AuditEvent(
        action=action,
        user=actor.user,
        user_name=actor.name,
        api_key_prefix=actor.api_key.prefix if actor.api_key else "",
        via=actor.via,
        ip=actor.ip,
        request_id=actor.request_id,
        change_id=_change_id.get(),
        gallery_id=gallery.pk if gallery else None,
        gallery_slug=gallery.slug if gallery else "",
        object_type=target._meta.model_name or "" if target is not None else "",
        object_id=str(target.pk) if target is not None else "",
        object_name=str(target)[:200] if target is not None else "",
        details=details or {},
    )
