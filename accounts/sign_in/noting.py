"""Writes down who signed in and how, who failed to, and which factors came and went.

Sign-ins and changes of factors are in the audit. Failures are looks, counted by the hour: an attack must not fill the audit.
"""

from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest

from accounts import audit, looks
from accounts.actor import Actor, Via, address_of
from accounts.models import User


def signed_in(request: HttpRequest, user: User) -> None:
    actor = Actor.from_request(request, Via.WEB)
    ways = [record.get("type") or record["method"] for record in get_authentication_records(request, user)]
    audit.record(actor=actor, action="sign_in.succeeded", target=user, details={"by": ways})
    looks.note(actor, looks.Seen(looks.Kind.SIGN_IN))


def failed(request: HttpRequest, user: User | None, kind: str = looks.Kind.SIGN_IN_FAILED) -> None:
    """user: None if nobody has the name that was typed. It is not kept then: some people type their password there."""
    actor = Actor(user=user, name=user.get_username() if user else "", via=Via.WEB, ip=address_of(request))
    looks.note(actor, looks.Seen(kind))


def factor_changed(request: HttpRequest, user: User, action: str, kind: str) -> None:
    """action: added, removed or, of recovery codes, made. kind: totp, webauthn or recovery_codes."""
    actor = Actor.from_request(request, Via.WEB)
    audit.record(actor=actor, action=f"factor.{action}", target=user, details={"kind": kind})
