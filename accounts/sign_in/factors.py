"""Second factors: who has one, who must have one."""

from collections.abc import Iterable
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.conf import settings

from accounts.models import User
from accounts.roles import Role

KINDS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)  # recovery codes only stand in for one of these


def has_factor(user: User) -> bool:
    return Authenticator.objects.filter(user=user, type__in=KINDS).exists()


def needs_factor(user: User) -> bool:
    """Whether FACEPLATFORM_SECOND_FACTOR wants one of this account."""
    required = settings.SECOND_FACTOR
    if required in ("nobody", "all"):
        return bool(required == "all")
    if user.is_staff or user.is_superuser:
        return True
    return bool(required == "owners") and user.memberships.filter(role=Role.OWNER).exists()


def factors_of(users: Iterable[UUID]) -> set[UUID]:
    """Those of `users`, ids, who have a second factor."""
    return set(Authenticator.objects.filter(user__in=users, type__in=KINDS).values_list("user_id", flat=True))
