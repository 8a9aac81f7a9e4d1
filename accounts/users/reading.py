"""Which accounts an actor sees on the page “Users”, and what is shown of them."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.models import ApiKey, Membership, User
from accounts.roles import Role
from accounts.sign_in import throttling
from accounts.sign_in.factors import factors_of
from faceplatform.errors import NotAllowed


def visible_users(actor: Actor) -> QuerySet[User]:
    """Everybody for an operator; for owners the members of their galleries. Raises NotAllowed for others."""
    if actor.sees_everything:
        return User.objects.all()
    assert actor.user is not None
    owned = actor.user.memberships.filter(role=Role.OWNER).values("gallery_id")
    if not owned.exists():
        raise NotAllowed(_("Accounts are managed by operators and by owners of galleries. Ask one of them."))
    return User.objects.filter(Exists(Membership.objects.filter(user=OuterRef("pk"), gallery_id__in=owned)))


def matching(users: QuerySet[User], text: str) -> QuerySet[User]:
    """Those whose names or address contain `text`."""
    condition = Q()
    for field in ("username", "first_name", "last_name", "email"):
        condition |= Q(**{f"{field}__icontains": text.replace("\0", "")})
    return users.filter(condition) if text else users


def described(actor: Actor, users: Iterable[User]) -> list[dict[str, Any]]:
    """For each of `users` what the page shows: `user`, `roles` (memberships in galleries that the actor may see them in), `keys`
    (how many work), `has_factor`, `locked`, `invited` (no password chosen yet)."""
    users = list(users)
    ids = [user.pk for user in users]
    roles = Membership.objects.visible_to(actor, Role.OWNER).filter(user__in=ids).select_related("gallery")
    usable = ApiKey.objects.usable_at(timezone.now()).filter(user__in=ids).order_by()
    keys = dict(usable.values_list("user").annotate(count=Count("pk")))
    factors, locked = factors_of(ids), throttling.locked(users)
    return [
        {
            "user": user,
            "roles": [membership for membership in roles if membership.user_id == user.pk],
            "keys": keys.get(user.pk, 0),
            "has_factor": user.pk in factors,
            "locked": user in locked,
            "invited": user.last_login is None and not user.has_usable_password(),
        }
        for user in users
    ]
