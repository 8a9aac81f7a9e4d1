"""What an account may do as the organisation's sign-in says it, at each sign-in through it.

FACEPLATFORM_OIDC_ROLES names what is decided there: the galleries in it and, if it names them, who is staff or administrator.
Everything else stays as it was given here.
"""

import logging
from collections.abc import Iterable

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actor import Actor
from accounts.galleries import galleries
from accounts.models import Membership, User
from accounts.roles import Role
from accounts.users.services import remove_membership, save_user, set_membership
from faceplatform.errors import Conflict

logger = logging.getLogger(__name__)
RANKS = {"staff": (True, False), "administrator": (True, True)}  # is_staff, is_superuser
ROLES = {role.name.lower(): role for role in Role}


def actor() -> Actor:
    """In whose name roles are given: the platform's, which the audit calls so."""
    return Actor(name=gettext_noop("single sign-on"))


def may_enter(values: set[str]) -> bool:
    """Whether one of `values`, of the claim, means anything here; without FACEPLATFORM_OIDC_ROLES everybody may."""
    return not settings.OIDC_ROLES or any(value in values for value, _, _ in settings.OIDC_ROLES)


@transaction.atomic
def note_account(*, user: User, created: bool) -> None:
    """Audits that an account was made for, or linked with, somebody of the organisation."""
    audit.record(actor=actor(), action="user.created" if created else "user.linked", target=user)


@transaction.atomic
def give_roles(*, user: User, values: set[str]) -> None:
    """Gives `user` exactly what `values` of the claim mean. Whoever is the last owner or administrator stays it."""
    _give_rank(user, [role for value, role, _ in settings.OIDC_ROLES if value in values and role in RANKS])
    for slug in {slug for _, _, slug in settings.OIDC_ROLES if slug}:
        _give_role(
            user, slug, [ROLES[role] for value, role, of in settings.OIDC_ROLES if of == slug and value in values]
        )


def _give_rank(user: User, ranks: list[str]) -> None:
    if not any(role in RANKS for _, role, _ in settings.OIDC_ROLES):
        return
    wanted = max((RANKS[rank] for rank in ranks), default=(False, False))
    if wanted == (user.is_staff, user.is_superuser):
        return
    before = user.is_staff, user.is_superuser
    user.is_staff, user.is_superuser = wanted
    try:
        save_user(actor=actor(), user=user, changed=["is_staff", "is_superuser"])
    except Conflict as error:
        user.is_staff, user.is_superuser = before
        logger.warning("single sign-on: %s", error.message)


def _give_role(user: User, slug: str, roles: Iterable[Role]) -> None:
    gallery = galleries().filter(slug=slug).first()
    if gallery is None:
        logger.warning("single sign-on: FACEPLATFORM_OIDC_ROLES names the gallery %r, which is not there", slug)
        return
    wanted = max(roles, default=None)
    membership = Membership.with_closed.filter(user=user, gallery=gallery).select_related("user", "gallery").first()
    if wanted == (membership.role if membership else None):
        return
    try:
        if wanted is not None:
            set_membership(actor=actor(), gallery=gallery, user=user, role=wanted)
        elif membership is not None:
            remove_membership(actor=actor(), membership=membership)
    except Conflict as error:
        logger.warning("single sign-on: %s", error.message)
