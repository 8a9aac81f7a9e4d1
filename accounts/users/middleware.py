"""Times in the zone, and texts in the language, of whoever reads them."""

from collections.abc import Callable
from contextlib import nullcontext

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone, translation

from accounts.models import User


class DisplayMiddleware:
    """Pages show, and their forms read, times in the user's own zone, in the user's language. The API's are the server's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        user = None if request.path.startswith("/api/") else _user_of(request)
        zone, language = (user.time_zone, user.language) if user else ("", "")
        with timezone.override(zone) if zone else nullcontext():
            if not language:
                return self.get_response(request)
            with translation.override(language):
                response = self.get_response(request)
                response["Content-Language"] = language
                return response


def _user_of(request: HttpRequest) -> User | None:
    """Static files and signing in, where there is no session, cost no query."""
    user = request.user if request.session.session_key else None
    return user if isinstance(user, User) else None
