"""What allauth asks the platform when somebody comes from the organisation's sign-in."""

import logging
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.utils import generate_unique_username
from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import render

from accounts.models import User
from accounts.sso.services import give_roles, may_enter, note_account

logger = logging.getLogger(__name__)


class SingleSignOnAdapter(DefaultSocialAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # `pre_social_login` has refused whom it must

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Links an account that is here already, by an address that the organisation vouches for; gives it its roles."""
        values = _values(sociallogin)
        if not sociallogin.is_existing:
            self._link(request, sociallogin)
        if sociallogin.is_existing:
            give_roles(user=sociallogin.user, values=values)
        if not may_enter(values):
            raise ImmediateHttpResponse(render(request, "accounts/no_access.html", status=403))

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        user: User = super().save_user(request, sociallogin, form)
        note_account(user=user, created=True)
        give_roles(user=user, values=_values(sociallogin))
        return user

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, **kw: Any
    ) -> None:
        """The page says that it failed; the reason is the operator's to read."""
        logger.warning("single sign-on failed: %s", exception or error)

    def _link(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Else it will be a new account, with a name and an address that nobody has here."""
        vouched = [address.email for address in sociallogin.email_addresses if address.verified]
        found = list(User.objects.filter(email__in=[email.lower() for email in vouched]))
        if len(found) == 1:
            sociallogin.connect(request, found[0])
            note_account(user=found[0], created=False)
            return
        new = sociallogin.user
        new.username = generate_unique_username([new.username, new.first_name, "user"])
        if User.objects.filter(email=new.email.lower()).exists():
            new.email, sociallogin.email_addresses = "", []  # somebody else's, as far as we know


def _values(sociallogin: SocialLogin) -> set[str]:
    """Those of the claim FACEPLATFORM_OIDC_CLAIM, of the user info or else the id token."""
    told = sociallogin.account.extra_data
    claims = {**(told.get("id_token") or {}), **(told.get("userinfo") or {})}
    value = claims.get(settings.OIDC_CLAIM, [])
    return {str(one) for one in value} if isinstance(value, list) else {str(value)}
