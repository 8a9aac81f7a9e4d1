"""Writing the audit. Called inside the transaction of the act, so that both happen or neither."""

from accounts.actor import Actor
from accounts.models import AuditEvent


def record(*, actor: Actor, action: str, gallery=None, target=None, details: dict | None = None) -> AuditEvent:
    """Writes one event: `actor` did `action` (such as "identity.created") to `target`, a model instance, in `gallery`."""
    return AuditEvent.objects.create(
        action=action,
        user=actor.user,
        user_name=actor.name,
        api_key_prefix=actor.api_key.prefix if actor.api_key else "",
        via=actor.via,
        ip=actor.ip,
        request_id=actor.request_id,
        gallery_id=gallery.pk if gallery else None,
        gallery_slug=gallery.slug if gallery else "",
        object_type=target._meta.model_name if target is not None else "",
        object_id=str(target.pk) if target is not None else "",
        object_name=str(target)[:200] if target is not None else "",
        details=details or {},
    )
