"""Times in the zone of whoever reads them."""

from collections.abc import Callable
from contextlib import nullcontext

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts.models import User


class TimeZoneMiddleware:
    """Pages show, and their forms read, times in the user's own zone. The API's times stay the server's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        zone = "" if request.path.startswith("/api/") else _zone_of(request)
        with timezone.override(zone) if zone else nullcontext():
            return self.get_response(request)


def _zone_of(request: HttpRequest) -> str:
    """Static files and signing in, where there is no session, cost no query."""
    user = request.user if request.session.session_key else None
    return user.time_zone if isinstance(user, User) else ""
