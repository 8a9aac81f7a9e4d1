"""Users, what they may do in the admin site, and their roles in galleries. Each write is audited in the same transaction.

Accounts and groups are changed by operators alone, whatever Django's permissions say; everybody changes their own password and
name. Inviting people: invitations.py.
"""

import secrets
from collections.abc import Iterable
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor, system_actor
from accounts.galleries import GalleryRow
from accounts.keys.services import end_keys_of
from accounts.models import Membership, User
from accounts.roles import Role
from accounts.sign_in import throttling
from faceplatform import setting_values
from faceplatform.database.names import checked_name
from faceplatform.errors import Conflict, InvalidInput, NotAllowed, NotFound

# Of these fields the audit tells the old and the new value; of the others only that they changed.
TOLD = ("username", "is_active", "is_staff", "is_superuser")


@transaction.atomic
def create_first_administrator(*, username: str, password: str = "") -> tuple[User, str] | None:
    """Creates an administrator with `password` or a random one. Returns it and the password; None if an active one is there.

    Raises Conflict if the name is taken: nobody is promoted by a start.
    """
    if User.objects.filter(is_superuser=True, is_active=True).exists():
        return None
    if User.objects.filter(username=username).exists():
        raise Conflict(
            f"There is no active administrator, and the user “{username}” is none. Make one with "
            f"“manage.py administrator NAME”, or choose another FACEPLATFORM_ADMIN_USERNAME."
        )
    return make_administrator(actor=system_actor(), username=username, password=password)


@transaction.atomic
def make_administrator(*, actor: Actor, username: str, password: str = "") -> tuple[User, str]:
    """Makes `username` an active administrator with `password` or a random one, and ends the account's API keys.

    A random one has to be changed at the first sign-in. The account is created if there is none. Returns it and the password.
    Raises NotAllowed.
    """
    _lock_operators(actor)
    username = User.normalize_username(username)
    user = User.objects.select_for_update(no_key=True).filter(username=username).first()
    action = "user.created" if user is None else "user.changed"
    user = user or User(username=username)
    user.must_change_password = not password
    password = password or secrets.token_urlsafe(12)
    user.is_active = user.is_staff = user.is_superuser = True
    user.set_password(password)
    user.save()
    end_keys_of(actor=actor, user=user)
    details = {"administrator": True, "password": "set"}
    audit.record(actor=actor, action=action, target=user, details=details)
    return user, password


@transaction.atomic
def save_user(*, actor: Actor, user: User, changed: list[str] | None) -> None:
    """Saves a user whom an operator created (changed: None) or edited (changed: names of the fields, never the password).

    Only those fields are written. A deactivated account's sessions end. Raises NotAllowed, NotFound, or Conflict for the only
    administrator.
    """
    operators = _lock_operators(actor)
    user.email = user.email.lower()
    if changed is None:
        user.save()
        details = {"administrator": True} if user.is_superuser else None
        audit.record(actor=actor, action="user.created", target=user, details=details)
        return
    fields = sorted(set(changed) & {field.name for field in User._meta.concrete_fields} - {"password"})
    if not fields:
        return
    before = _lock_user(user)
    if not all(getattr(user if name in fields else before, name) for name in ("is_active", "is_superuser")):
        _require_another_operator(before, operators)
    user.save(update_fields=fields)
    if before.is_active and not user.is_active:
        _end_sessions_of(user)
    told = {name: [getattr(before, name), getattr(user, name)] for name in fields if name in TOLD}
    audit.record(actor=actor, action="user.changed", target=user, details={"fields": fields, **told})


@transaction.atomic
def set_rights(*, actor: Actor, user: User, groups: Iterable[Group], permissions: Iterable[Permission]) -> None:
    """Gives `user` exactly these groups and permissions of the admin site. Raises NotAllowed."""
    _lock_operators(actor)
    details = {"groups": _replace(user.groups, groups), "permissions": _replace(user.user_permissions, permissions)}
    _record_changes(actor, "user.rights_set", user, details)


@transaction.atomic
def set_password(*, actor: Actor, user: User, password: str | None) -> int:
    """An operator gives `user` a new password; None: no sign-in by password. Ends the account's sessions and API keys.

    The user has to change it at the next sign-in, unless it is their own. Returns how many keys ended. Raises NotAllowed,
    NotFound, or Conflict if the only administrator would have no password.
    """
    operators = _lock_operators(actor)
    row = _lock_user(user)
    if password is None:
        _require_another_operator(row, operators)
    user.must_change_password = password is not None and actor.user != user
    return _store_password(actor, user, password, action="user.password_set", end_keys=True)


@transaction.atomic
def change_own_password(*, actor: Actor, password: str, end_keys: bool) -> int:
    """The signed-in user changes their password, which ends their other sessions, and their API keys if they want it so.

    Returns how many keys ended. Raises NotAllowed with an API key: it must not outlive itself by a password.
    """
    if actor.user is None or actor.api_key is not None:
        raise NotAllowed(_("Sign in to change your password."))
    _lock_user(actor.user)
    actor.user.must_change_password = False
    return _store_password(actor, actor.user, password, action="user.password_changed", end_keys=end_keys)


@transaction.atomic
def choose_password(*, actor: Actor, user: User, password: str) -> None:
    """Somebody who has a link from `invitations.make_link`, or from an e-mail, chooses a password. Sessions end."""
    _lock_user(user)
    user.must_change_password = False
    _store_password(actor, user, password, action="user.password_chosen", end_keys=False)


@transaction.atomic
def change_own_name(*, actor: Actor, first_name: str, last_name: str) -> None:
    """The signed-in user changes how they are called, not their user name. Raises InvalidInput."""
    assert actor.user is not None
    user = _lock_user(actor.user)
    user.first_name, user.last_name = checked_name(first_name), checked_name(last_name)
    user.save(update_fields=["first_name", "last_name"])
    audit.record(actor=actor, action="user.changed", target=user, details={"fields": ["first_name", "last_name"]})


@transaction.atomic
def change_own_display(*, actor: Actor, theme: str, language: str, time_zone: str) -> None:
    """How the signed-in user sees the pages. Raises InvalidInput.

    language: of settings.LANGUAGES, "" for the browser's. time_zone: "" for the server's.
    """
    assert actor.user is not None
    user = _lock_user(actor.user)
    user.theme, user.language, user.time_zone = theme, language, time_zone
    if language not in {"", *dict(settings.LANGUAGES)}:
        raise InvalidInput(_("Choose a language of the list."))
    try:
        user.clean_fields(exclude=["password"])
        setting_values.time_zone(time_zone or settings.TIME_ZONE)
    except (ValidationError, ValueError):
        raise InvalidInput(_("Choose a theme and a time zone of the lists.")) from None
    user.save(update_fields=["theme", "language", "time_zone"])
    audit.record(
        actor=actor, action="user.changed", target=user, details={"fields": ["theme", "language", "time_zone"]}
    )


@transaction.atomic
def end_session(*, actor: Actor, session: UserSession) -> None:
    """Ends a session of the actor's own."""
    session.end()
    audit.record(actor=actor, action="session.ended", target=session.user, details={"ip": session.ip})


@transaction.atomic
def set_active(*, actor: Actor, user: User, active: bool) -> None:
    """Lets an account sign in or not; see `save_user`."""
    user.is_active = active
    save_user(actor=actor, user=user, changed=["is_active"])


@transaction.atomic
def unlock(*, actor: Actor, user: User) -> None:
    """Forgets failed attempts to sign in to the account. Raises NotAllowed."""
    _lock_operators(actor)
    throttling.unlock(user.get_username())
    audit.record(actor=actor, action="user.unlocked", target=user)


@transaction.atomic
def reset_factors(*, actor: Actor, user: User) -> int:
    """Takes the second factors away from somebody who has lost them, and ends their sessions. Returns how many there were.

    Raises NotAllowed.
    """
    _lock_operators(actor)
    _, removed = Authenticator.objects.filter(user=user).delete()
    _end_sessions_of(user)
    count = sum(removed.values())
    audit.record(actor=actor, action="factor.reset", target=user, details={"removed": count})
    return count


@transaction.atomic
def delete_user(*, actor: Actor, user: User) -> None:
    """Deletes an account with its memberships and keys. Raises NotAllowed, or Conflict for the only administrator."""
    _require_another_operator(user, _lock_operators(actor))
    audit.record(actor=actor, action="user.deleted", target=user)
    user.delete()


@transaction.atomic
def save_group(*, actor: Actor, group: Group, created: bool) -> None:
    """Saves a group of the admin site that an operator made or renamed. Raises NotAllowed."""
    _lock_operators(actor)
    group.save()
    audit.record(actor=actor, action="group.created" if created else "group.changed", target=group)


@transaction.atomic
def set_group_permissions(*, actor: Actor, group: Group, permissions: Iterable[Permission]) -> None:
    """Gives the members of `group` exactly these permissions in the admin site. Raises NotAllowed."""
    _lock_operators(actor)
    _record_changes(actor, "group.rights_set", group, {"permissions": _replace(group.permissions, permissions)})


@transaction.atomic
def delete_group(*, actor: Actor, group: Group) -> None:
    """Deletes a group; its members lose what it permitted. Raises NotAllowed."""
    _lock_operators(actor)
    audit.record(actor=actor, action="group.deleted", target=group)
    group.delete()


def _lock_operators(actor: Actor) -> list[User]:
    """The active administrators, locked in one order: of two changes of accounts at once, the second sees the first.

    Raises NotAllowed unless the actor is one of them at this moment, or the platform itself.
    """
    rows = User.objects.select_for_update(no_key=True).filter(is_superuser=True, is_active=True)
    operators = list(rows.order_by("pk"))
    if actor.user is not None and actor.user not in operators:
        raise NotAllowed(_("Only an operator may change accounts. Ask one of them."))
    return operators


def _lock_user(user: User) -> User:
    row = User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
    if row is None:
        raise NotFound(_("The account “%(user)s” no longer exists. Reload the page.") % {"user": user})
    return row


def _require_another_operator(user: User, operators: list[User]) -> None:
    if operators == [user]:
        raise Conflict(
            _("%(user)s is the only administrator. Make somebody else an administrator first.") % {"user": user}
        )


def _store_password(actor: Actor, user: User, password: str | None, *, action: str, end_keys: bool) -> int:
    user.set_password(password)
    user.save(update_fields=["password", "must_change_password"])
    ended = end_keys_of(actor=actor, user=user) if end_keys else 0
    details = {"keys_ended": ended} | ({} if password is not None else {"password": "removed"})
    audit.record(actor=actor, action=action, target=user, details=details)
    return ended


def _end_sessions_of(user: User) -> None:
    """For good: otherwise they would work again once the account is active again."""
    rows = Session.objects.filter(expire_date__gt=timezone.now()).iterator()
    ended = [row.pk for row in rows if row.get_decoded().get(SESSION_KEY) == str(user.pk)]
    Session.objects.filter(pk__in=ended).delete()
    UserSession.objects.filter(user=user).delete()


def _replace(related: Any, rows: Iterable[Group | Permission]) -> dict[str, list[str]]:
    """Makes `rows` the related ones. Returns the names of those added and removed."""
    before, after = set(related.all()), set(rows)
    related.set(after)
    changes = {"added": after - before, "removed": before - after}
    return {name: sorted(map(str, changed)) for name, changed in changes.items() if changed}


def _record_changes(actor: Actor, action: str, target: Model, changes: dict[str, dict[str, list[str]]]) -> None:
    details = {name: change for name, change in changes.items() if change}
    if details:
        audit.record(actor=actor, action=action, target=target, details=details)


@transaction.atomic
def set_membership(*, actor: Actor, gallery: GalleryRow, user: User, role: Role) -> Membership:
    """Gives `user` a role in `gallery`, or changes it. Raises NotAllowed, or Conflict if no owner would be left."""
    actor.require_role(gallery, Role.OWNER)
    _require_another_owner(gallery, user, role)
    membership, _ = Membership.with_closed.update_or_create(gallery_id=gallery.pk, user=user, defaults={"role": role})
    details = {"role": Role(role).name.capitalize()}
    audit.record(actor=actor, action="member.set", gallery=gallery, target=user, details=details)
    return membership


@transaction.atomic
def remove_membership(*, actor: Actor, membership: Membership) -> None:
    """Removes a user from a gallery. Raises NotAllowed, or Conflict if no owner would be left."""
    gallery = membership.gallery
    actor.require_role(gallery, Role.OWNER)
    _require_another_owner(gallery, membership.user, None)
    audit.record(actor=actor, action="member.removed", gallery=gallery, target=membership.user)
    membership.delete()


def _require_another_owner(gallery: GalleryRow, user: User, role: Role | None) -> None:
    """Locks the owners. Raises Conflict if `user` is the only one and `role`, the new role, is not owner."""
    owners = Membership.with_closed.select_for_update().filter(gallery_id=gallery.pk, role=Role.OWNER)
    if role != Role.OWNER and [owner.user_id for owner in owners] == [user.pk]:
        raise Conflict(
            _("%(user)s is the only owner of “%(gallery)s”. Make somebody else an owner first.")
            % {"user": user, "gallery": gallery}
        )
