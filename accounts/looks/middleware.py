"""Writes what a request has shown, whom it has signed in, and what it has refused."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.actor import Actor, Via, address_of
from accounts.looks.writing import Kind, Seen, note
from accounts.models import User

SIGN_IN = ("sign-in", "admin:login")
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
        elif request.method == "POST" and response.status_code < 400 and _is_sign_in(request):
            _note_sign_in(request)
        return response


def _note_sign_in(request: HttpRequest) -> None:
    if request.user.is_authenticated:
        return note(Actor.from_request(request, _via(request)), Seen(Kind.SIGN_IN))
    # Names that nobody has are not kept: some people type their password there.
    typed = request.POST.get("username", "")[:150].replace("\0", "")
    user = User.objects.filter(username=typed).first()
    name = user.get_username() if user else ""
    return note(Actor(user=user, name=name, via=_via(request), ip=address_of(request)), Seen(Kind.SIGN_IN_FAILED))


def _is_sign_in(request: HttpRequest) -> bool:
    return request.resolver_match is not None and request.resolver_match.view_name in SIGN_IN


def _via(request: HttpRequest) -> Via:
    return next((via for path, via in PLACES if request.path.startswith(path)), Via.WEB)


def _operation(request: HttpRequest) -> str:
    """The method and the form of the address, without ids: so refusals are few rows, however many addresses were tried."""
    return f"{request.method} /{request.resolver_match.route if request.resolver_match else ''}"
