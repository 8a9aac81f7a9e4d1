"""Writes the audit in the transaction of the act, so that both happen or neither, and marks all changes of an act as one."""

import functools
import secrets
import threading
import time
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
MOST_AHEAD = 60_000  # milliseconds that many events at once may put the ids ahead of the clock
_ids = threading.Lock()
_latest = 0  # milliseconds
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


def _next_id() -> UUID:
    """A UUID of version 7 that is later than the one before, but follows a clock that was set back.

    uuid6.uuid7 goes on from the latest time that it has seen, however long ago the clock was set right; the database refuses
    events of another time.
    """
    global _latest
    now = time.time_ns() // 10**6
    with _ids:
        _latest = _latest + 1 if now <= _latest <= now + MOST_AHEAD else now
        return UUID(int=_latest << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62))


def _event(
    *,
    actor: Actor,
    action: str,
    gallery: GalleryRow | None = None,
    target: Model | None = None,
    details: dict[str, Any] | None = None,
) -> AuditEvent:
    return AuditEvent(
        id=_next_id(),
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
