"""How long a session lasts, and what somebody has to do before anything else.

A session ends after FACEPLATFORM_SESSION_IDLE_MINUTES without a request and FACEPLATFORM_SESSION_HOURS after its sign-in. It
is saved once a minute at most, which puts off its end (Django's own) and notes for its user when and where it was last used.
"""

import time
from collections.abc import Callable
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.sign_in.factors import has_factor, needs_factor
from faceplatform.web.api import problem_json
from faceplatform.web.leading import lead, lead_to_sign_in

GetResponse = Callable[[HttpRequest], HttpResponseBase]
SIGNED_IN_AT, SEEN_AT, FACTOR = "signed_in_at", "seen_at", "has_factor"  # in the session: seconds, seconds, a flag
NOTED_EVERY = 60  # seconds
# Pages by name that are open while something has to be done first, beside those of signing in and out.
OPEN = frozenset({"sign-in", "sign-out", "account_inactive", "live", "ready"})
TO_CHANGE = OPEN | {"password"}
TO_SET_UP = OPEN | {
    "account",
    "password",
    "account_reauthenticate",
    "mfa_reauthenticate",
    "mfa_reauthenticate_webauthn",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
}


class SessionLengthMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.session.session_key and isinstance(request.user, User):
            self._keep(request)
        return self.get_response(request)

    def _keep(self, request: HttpRequest) -> None:
        now, session, begun = time.time(), request.session, signed_in_at(request)
        if now - begun > settings.SESSION_SECONDS:
            logout(request)
        elif now - session.get(SEEN_AT, begun) >= min(
            NOTED_EVERY, settings.SESSION_COOKIE_AGE / 10
        ):  # allauth has noted the sign-in itself
            session[SIGNED_IN_AT], session[SEEN_AT] = begun, now
            UserSession.objects.create_from_request(request)


def signed_in_at(request: HttpRequest) -> float:
    """When the session began, in seconds. A new one, and one from before sessions had a length, does not say so itself."""
    last = request.user.last_login if isinstance(request.user, User) else None
    begun: float = request.session.get(SIGNED_IN_AT) or (last.timestamp() if last else 0)
    return begun


class SignInFirstMiddleware(LoginRequiredMiddleware):
    """Who is not signed in, or not any more, signs in and comes back to the page: an address that only takes forms is none."""

    def handle_no_permission(  # type: ignore[override]  # htmx is not redirected
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponse:
        is_part = "HX-Request" in request.headers
        if request.method in ("GET", "HEAD") and not is_part:
            return super().handle_no_permission(request, view_func)
        return lead_to_sign_in(request)


class FirstThingsMiddleware:
    """A password that was given by somebody else is changed, and a second factor that is required is set up, before anything
    else. Calls with an API key are no session's."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        if not request.session.session_key or not isinstance(request.user, User):
            return None
        user, name = request.user, request.resolver_match.url_name if request.resolver_match else None
        if user.must_change_password:
            return (
                None
                if name in TO_CHANGE
                else _first(request, "password", _("Change the password that you were given first."))
            )
        if name not in TO_SET_UP and _lacks_factor(request, user):
            return _first(request, "account", _("Set up a second factor first."))
        return None


def _lacks_factor(request: HttpRequest, user: User) -> bool:
    if settings.SECOND_FACTOR == "nobody" or request.session.get(FACTOR) or not needs_factor(user):
        return False
    if has_factor(user):
        request.session[FACTOR] = True
        return False
    return True


def _first(request: HttpRequest, page: str, detail: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        return problem_json(request, status=403, code="not_allowed", detail=detail)
    return lead(request, resolve_url(page), status=403)
