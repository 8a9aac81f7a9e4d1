"""API keys: created, rotated, revoked. Each write is audited in its own transaction."""

import hashlib
import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.actor import Actor, Via
from accounts.models import ApiKey, User
from accounts.roles import Scope
from faceplatform.errors import Conflict, InvalidInput, NotAllowed

KEY_PREFIX = "fp_"


LONGEST_GRACE = 7 * 24  # hours


@transaction.atomic
def create_api_key(
    *, actor: Actor, user: User, gallery=None, scopes: list[str], name: str = "", days: int | None = None
) -> tuple[ApiKey, str]:
    """A new key for `user`, perhaps for one gallery alone. Returns the row and the key, which is not kept."""
    unknown = set(scopes) - set(Scope.values)
    if unknown or not scopes:
        raise InvalidInput(
            f"Unknown scopes: {', '.join(sorted(unknown)) or 'none given'}. Choose from {', '.join(Scope.values)}."
        )
    _require_own_keys(actor, user, gallery, scopes)
    if gallery is not None and Actor(user=user, via=Via.SYSTEM).role_in(gallery) is None:
        raise InvalidInput(f"{user} is no member of the gallery “{gallery.slug}”. Make {user} a member first.")
    expires_at = timezone.now() + timedelta(days=days) if days else None
    row, key = _new_key(user=user, gallery=gallery, name=name, scopes=sorted(set(scopes)), expires_at=expires_at)
    audit.record(actor=actor, action="api_key.created", gallery=gallery, target=row, details={"scopes": row.scopes})
    return row, key


@transaction.atomic
def rotate_api_key(*, actor: Actor, api_key: ApiKey, grace_hours: int = 24) -> tuple[ApiKey, str]:
    """A new key like this one, for as long again; this one stays valid for `grace_hours`, to change over in."""
    if not 0 <= grace_hours <= LONGEST_GRACE:
        raise InvalidInput(f"grace_hours must be 0 to {LONGEST_GRACE}.")
    _require_own_keys(actor, api_key.user, api_key.gallery, api_key.scopes)
    now = timezone.now()
    api_key = ApiKey.objects.select_for_update(of=("self",)).select_related("user", "gallery").get(pk=api_key.pk)
    if not api_key.is_usable(now):
        raise Conflict("This key has ended already. Create a new one instead.", code="key_ended")
    lifetime = api_key.expires_at and api_key.expires_at - api_key.created_at
    row, key = _new_key(
        user=api_key.user,
        gallery=api_key.gallery,
        name=api_key.name,
        scopes=api_key.scopes,
        expires_at=lifetime and now + lifetime,
    )
    ends = now + timedelta(hours=grace_hours)
    api_key.expires_at = min(api_key.expires_at or ends, ends)
    api_key.save(update_fields=["expires_at"])
    details = {"new": row.prefix, "until": api_key.expires_at.isoformat()}
    audit.record(actor=actor, action="api_key.rotated", gallery=api_key.gallery, target=api_key, details=details)
    return row, key


def _new_key(**values) -> tuple[ApiKey, str]:
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    return ApiKey.objects.create(prefix=key[:10], key_hash=hash_key(key), **values), key


def _require_own_keys(actor: Actor, user: User, gallery, scopes: list[str]) -> None:
    """One's own keys, an operator anybody's; with a key none that may more than it. Raises NotAllowed."""
    if not actor.sees_everything and actor.user.pk != user.pk:
        raise NotAllowed("You may manage your own API keys only. Ask an operator for another user's.")
    if actor.api_key is None:
        return
    wider = actor.api_key.gallery_id is not None and (gallery is None or gallery.pk != actor.api_key.gallery_id)
    if wider or not set(scopes) <= set(actor.api_key.scopes) or user.pk != actor.api_key.user_id:
        raise NotAllowed("With an API key you may not manage one that is allowed more. Sign in, or use a wider key.")


@transaction.atomic
def revoke_api_key(*, actor: Actor, api_key: ApiKey) -> None:
    """Ends a key at once. Revoking it again changes nothing."""
    _require_own_keys(actor, api_key.user, api_key.gallery, api_key.scopes)
    if api_key.revoked_at is None:
        api_key.revoked_at = timezone.now()
        api_key.save(update_fields=["revoked_at"])
        audit.record(actor=actor, action="api_key.revoked", gallery=api_key.gallery, target=api_key)


def hash_key(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
