"""Writes what a request has shown, and what it has refused. Sign-ins: accounts/sign_in/noting.py."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.actor import Actor, Via
from accounts.looks.writing import Kind, Seen, note

PLACES = (("/api/", Via.API), ("/admin/", Via.ADMIN))


class LooksMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        look = getattr(request, "seen", None)
        if look is not None and response.status_code < 400:
            note(Actor.from_request(request, _via(request)), look)
        elif response.status_code == 403 and request.user.is_authenticated:
            note(Actor.from_request(request, _via(request)), Seen(Kind.REFUSED, object_id=_operation(request)))
        return response


def _via(request: HttpRequest) -> Via:
    return next((via for path, via in PLACES if request.path.startswith(path)), Via.WEB)


def _operation(request: HttpRequest) -> str:
    """The method and the form of the address, without ids: so refusals are few rows, however many addresses were tried."""
    return f"{request.method} /{request.resolver_match.route if request.resolver_match else ''}"
