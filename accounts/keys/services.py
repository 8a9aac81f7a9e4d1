"""Creating, rotating and revoking API keys. Each write is audited in the same transaction."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor, Via
from accounts.galleries import GalleryRow
from accounts.models import ApiKey, User
from accounts.roles import Scope
from faceplatform.database.names import checked_name
from faceplatform.errors import Conflict, InvalidInput, NotAllowed

KEY_PREFIX = "fp_"
LONGEST_GRACE = 7 * 24  # hours


@transaction.atomic
def create_api_key(
    *,
    actor: Actor,
    user: User,
    gallery: GalleryRow | None = None,
    scopes: list[str],
    name: str = "",
    days: int | None = None,
) -> tuple[ApiKey, str]:
    """Creates a key for `user`. Returns its row and the key itself, which is not stored.

    gallery: limits the key to it. days: until it expires; None for never, or for the longest life that is allowed.
    Raises InvalidInput, NotAllowed.
    """
    unknown = set(scopes) - set(Scope.values)
    if unknown or not scopes:
        raise InvalidInput(
            _("Unknown scopes: %(unknown)s. Choose from %(scopes)s.")
            % {"unknown": ", ".join(sorted(unknown)) or _("none given"), "scopes": ", ".join(Scope.values)}
        )
    _require_own_keys(actor, user, gallery, scopes)
    if gallery is not None and Actor(user=user, via=Via.SYSTEM).role_in(gallery) is None:
        raise InvalidInput(
            _("%(user)s is not a member of the gallery “%(gallery)s”. Make %(user)s a member first.")
            % {"user": user, "gallery": gallery.slug}
        )
    days = _allowed_days(days)
    expires_at = timezone.now() + timedelta(days=days) if days else None
    name = checked_name(name)
    row, key = _new_key(user=user, gallery=gallery, name=name, scopes=sorted(set(scopes)), expires_at=expires_at)
    audit.record(actor=actor, action="api_key.created", gallery=gallery, target=row, details={"scopes": row.scopes})
    return row, key


@transaction.atomic
def rotate_api_key(*, actor: Actor, api_key: ApiKey, grace_hours: int = 24) -> tuple[ApiKey, str]:
    """Creates a key like this one, with the same lifetime from now on. Returns its row and the key itself.

    The old key stays valid for `grace_hours`, so that its user can change over. Raises InvalidInput, NotAllowed, Conflict.
    """
    if not 0 <= grace_hours <= LONGEST_GRACE:
        raise InvalidInput(f"grace_hours must be 0 to {LONGEST_GRACE}.")
    _require_own_keys(actor, api_key.user, api_key.gallery, api_key.scopes)
    now = timezone.now()
    api_key = ApiKey.objects.select_for_update(of=("self",)).select_related("user", "gallery").get(pk=api_key.pk)
    if not api_key.is_usable(now):
        raise Conflict(_("This key has expired or was revoked. Create a new one instead."), code="key_ended")
    lifetime = api_key.expires_at and api_key.expires_at - api_key.created_at
    if longest := settings.KEY_MAX_DAYS:
        lifetime = min(lifetime or timedelta(days=longest), timedelta(days=longest))
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


def _allowed_days(days: int | None) -> int | None:
    longest: int = settings.KEY_MAX_DAYS
    if longest and days and days > longest:
        raise InvalidInput(_("API keys may live %(days)s days at most here. Choose fewer days.") % {"days": longest})
    return days or longest or None


def _new_key(**values: Any) -> tuple[ApiKey, str]:
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    return ApiKey.objects.create(prefix=key[:10], key_hash=hash_key(key), **values), key


def _require_own_keys(actor: Actor, user: User, gallery: GalleryRow | None, scopes: list[str]) -> None:
    """Users manage their own keys, operators everybody's; with a key, only keys that may do no more. Raises NotAllowed."""
    if not actor.sees_everything and actor.user != user:
        raise NotAllowed(_("You may only manage your own API keys. Ask an operator to manage another user's."))
    if actor.api_key is None:
        return
    wider = actor.api_key.gallery_id is not None and (gallery is None or gallery.pk != actor.api_key.gallery_id)
    if wider or not set(scopes) <= set(actor.api_key.scopes) or user.pk != actor.api_key.user_id:
        raise NotAllowed(
            _("With an API key you cannot manage a key that may do more. Sign in, or use a key with more rights.")
        )


@transaction.atomic
def revoke_api_key(*, actor: Actor, api_key: ApiKey) -> None:
    """Ends a key at once. Revoking it again changes nothing."""
    _require_own_keys(actor, api_key.user, api_key.gallery, api_key.scopes)
    if api_key.revoked_at is None:
        api_key.revoked_at = timezone.now()
        api_key.save(update_fields=["revoked_at"])
        audit.record(actor=actor, action="api_key.revoked", gallery=api_key.gallery, target=api_key)


@transaction.atomic
def end_keys_of(*, actor: Actor, user: User) -> int:
    """Revokes all keys of `user` that work; returns how many. Raises NotAllowed."""
    keys = list(ApiKey.objects.usable_at(timezone.now()).filter(user=user).select_related("user", "gallery"))
    for key in keys:
        revoke_api_key(actor=actor, api_key=key)
    return len(keys)


def hash_key(key: str) -> str:
    """What is stored of a key: its SHA-256 as hex."""
    return hashlib.sha256(key.encode()).hexdigest()
