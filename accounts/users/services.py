"""Users and their roles in galleries. Each write is audited in the same transaction."""

import secrets

from django.db import transaction

from accounts import audit
from accounts.actor import Actor, system_actor
from accounts.galleries import GalleryRow
from accounts.models import Membership, User
from accounts.roles import Role
from faceplatform.errors import Conflict, NotAllowed


@transaction.atomic
def create_first_administrator(*, username: str, password: str = "") -> tuple[User, str] | None:
    """Creates a superuser with `password` or a random one. Returns it and the password; None if there already is one.

    Raises Conflict if the name is taken.
    """
    if User.objects.filter(is_superuser=True).exists():
        return None
    if User.objects.filter(username=username).exists():
        raise Conflict(
            f"The user “{username}” exists but is not an administrator. Choose another FACEPLATFORM_ADMIN_USERNAME."
        )
    password = password or secrets.token_urlsafe(12)
    user = User.objects.create_superuser(username, password=password)
    audit.record(actor=system_actor(), action="user.created", target=user, details={"administrator": True})
    return user, password


@transaction.atomic
def save_user(*, actor: Actor, user: User, changed: list[str] | None) -> None:
    """Saves a user whom an operator created (changed: None) or edited (changed: names of the fields). Raises NotAllowed."""
    _require_operator(actor)
    user.save()
    action = "user.created" if changed is None else "user.changed"
    audit.record(actor=actor, action=action, target=user, details={"fields": changed} if changed else None)


@transaction.atomic
def delete_user(*, actor: Actor, user: User) -> None:
    """Deletes an account with its memberships and keys. Raises NotAllowed, or Conflict for the only administrator."""
    _require_operator(actor)
    others = User.objects.select_for_update().filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
    if user.is_superuser and not others.exists():
        raise Conflict(f"{user} is the only administrator. Make somebody else an administrator first.")
    audit.record(actor=actor, action="user.deleted", target=user)
    user.delete()


def _require_operator(actor: Actor) -> None:
    if not actor.sees_everything:
        raise NotAllowed("Only an operator may change accounts.")


@transaction.atomic
def set_membership(*, actor: Actor, gallery: GalleryRow, user: User, role: Role) -> Membership:
    """Gives `user` a role in `gallery`, or changes it. Raises NotAllowed, or Conflict if no owner would be left."""
    actor.require_role(gallery, Role.OWNER)
    _require_another_owner(gallery, user, role)
    membership, _ = Membership.with_closed.update_or_create(gallery_id=gallery.pk, user=user, defaults={"role": role})
    details = {"role": Role(role).label}
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
        raise Conflict(f"{user} is the only owner of “{gallery}”. Make somebody else an owner first.")
