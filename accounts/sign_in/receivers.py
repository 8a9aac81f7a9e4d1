"""Writes down who signed in and how, who failed to, and which factors came and went. accounts/apps.py connects this.

Sign-ins and changes of factors are in the audit. Failures are looks, counted by the hour: an attack must not fill the audit.
"""

import time
from typing import Any

from allauth.account import signals as account_signals
from allauth.account.authentication import get_authentication_records
from allauth.mfa import signals as factor_signals
from allauth.mfa.models import Authenticator
from django.contrib.auth import signals as auth_signals
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from accounts import audit, looks
from accounts.actor import Actor, Via, address_of
from accounts.models import User
from accounts.sign_in import throttling
from accounts.sign_in.backend import find_user
from accounts.sign_in.middleware import FACTOR, SIGNED_IN_AT


@receiver(auth_signals.user_logged_in)
def start_session(request: HttpRequest, **kwargs: Any) -> None:
    request.session[SIGNED_IN_AT] = time.time()


@receiver(account_signals.user_logged_in)
def note_sign_in(request: HttpRequest, response: HttpResponse, user: User, **kwargs: Any) -> None:
    throttling.succeeded(user.get_username())
    throttling.remember(request, response, user.get_username())
    actor = Actor.from_request(request, Via.WEB)
    ways = [record.get("type") or record["method"] for record in get_authentication_records(request, user)]
    audit.record(actor=actor, action="sign_in.succeeded", target=user, details={"by": ways})
    looks.note(actor, looks.Seen(looks.Kind.SIGN_IN))


@receiver(auth_signals.user_login_failed)
def note_failure(credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Names that nobody has are not kept: some people type their password there."""
    if request is not None:
        login = str(credentials.get("username") or credentials.get("email") or "")
        _note_failure(request, find_user(login), looks.Kind.SIGN_IN_FAILED)


@receiver(factor_signals.authentication_failed)
def note_wrong_factor(request: HttpRequest, user: User, **kwargs: Any) -> None:
    _note_failure(request, user, looks.Kind.FACTOR_FAILED)


@receiver(factor_signals.authenticator_added)
def note_added(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _audit_factor(request, user, authenticator, "factor.added")


@receiver(factor_signals.authenticator_removed)
def note_removed(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    request.session.pop(FACTOR, None)
    _audit_factor(request, user, authenticator, "factor.removed")


@receiver(factor_signals.authenticator_reset)
def note_codes(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _audit_factor(request, user, authenticator, "factor.codes_made")


def _audit_factor(request: HttpRequest, user: User, authenticator: Authenticator, action: str) -> None:
    actor = Actor.from_request(request, Via.WEB)
    audit.record(actor=actor, action=action, target=user, details={"kind": authenticator.type})


def _note_failure(request: HttpRequest, user: User | None, kind: str) -> None:
    actor = Actor(user=user, name=user.get_username() if user else "", via=Via.WEB, ip=address_of(request))
    looks.note(actor, looks.Seen(kind))
