"""What allauth asks the platform."""

import base64
import hashlib
import logging
import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.actor import address_of
from accounts.models import User
from accounts.sign_in import noting, throttling
from accounts.sign_in.backend import find_user
from accounts.sign_in.factors import KINDS, needs_factor
from accounts.sign_in.middleware import FACTOR, signed_in_at

logger = logging.getLogger(__name__)
# What allauth gives notice of → what the audit calls it.
FACTOR_CHANGES = {
    "mfa/email/totp_activated": ("added", "totp"),
    "mfa/email/totp_deactivated": ("removed", "totp"),
    "mfa/email/webauthn_added": ("added", "webauthn"),
    "mfa/email/webauthn_removed": ("removed", "webauthn"),
    "mfa/email/recovery_codes_generated": ("made", "recovery_codes"),
}
QUIET = ("account/messages/logged_in.txt", "account/messages/logged_out.txt")


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | dict.fromkeys(
        ("username_password_mismatch", "email_password_mismatch"),
        gettext_lazy("Please enter a correct username and password. Note that the password is case-sensitive."),
    )

    def is_reauthentication_required(self, *, app: str) -> bool:
        """Not for ten minutes after a sign-in or the last confirmation."""
        recent = time.time() - signed_in_at(
            self.request
        ) < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT or did_recently_reauthenticate(self.request)
        return not recent

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """Who has neither a password nor a factor here signs in again where they came from."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if methods or not settings.OIDC_ISSUER:
            return methods
        words = _("Sign in again with %(name)s") % {"name": settings.OIDC_NAME}
        return [{"id": "sso", "description": words, "url": reverse("confirm-elsewhere")}]

    def get_client_ip(self, request: HttpRequest) -> str:
        """As the audit has it: a proxy may have passed on something that is no address."""
        return address_of(request) or "::"

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *a: Any, **kw: Any
    ) -> None:
        if message_template not in QUIET:
            super().add_message(request, level, message_template, *a, **kw)

    def post_login(self, request: HttpRequest, user: User, **login: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **login)
        throttling.succeeded(user.get_username())
        throttling.remember(request, response, user.get_username())
        noting.signed_in(request, user)
        return response

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        noting.failed(request, find_user(credentials.get("username") or credentials.get("email") or ""))

    def send_notification_mail(self, template_prefix: str, user: User, *arguments: Any, **values: Any) -> None:
        """Here allauth tells of changes that matter to an account's safety."""
        if template_prefix in FACTOR_CHANGES:
            self.request.session.pop(FACTOR, None)
            noting.factor_changed(self.request, user, *FACTOR_CHANGES[template_prefix])

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Ours are queued (accounts/mails/). allauth has others, of parts that we do not use: none is sent in a request."""
        logger.error("allauth wanted to send the mail %s, which is none of ours", template_prefix)


class FactorAdapter(DefaultMFAAdapter):
    """Secrets are stored encrypted with the platform's secret key, which the database does not hold."""

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return _cipher().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:  # the secret key is another one: an operator has to take the factor away
            raise self.validation_error("incorrect_code") from None

    def generate_authenticator_name(self, user: User, type: str) -> str:
        return "Passkey"

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """The last factor of somebody who must have one stays."""
        others = Authenticator.objects.filter(user=authenticator.user, type__in=KINDS).exclude(pk=authenticator.pk)
        return not needs_factor(authenticator.user) or others.exists()


def _cipher() -> Fernet:
    key = hashlib.sha256(f"second factors:{settings.SECRET_KEY}".encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
