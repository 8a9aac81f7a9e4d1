"""Responses that wait for the queue without holding a thread or a database connection.

A view returns a response with a Later as its attribute `later`. The ASGI handler (faceplatform/web/handler.py) drops that
response and waits on the event loop. If the client is still connected after the wait, the request passes through Django a second
time, and LaterMiddleware returns the final response. Without the ASGI handler, as in tests, the thread waits in the middleware.
"""

import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation

from faceplatform.errors import DomainError
from faceplatform.web.middleware import GetResponse, PlatformRequest, error_page


class Awaited(Protocol):
    """What a request waits for, such as an Arrival (faceplatform/database/listen.py): `future` is done once it is there."""

    future: Future[None]

    def wait(self, seconds: float) -> bool: ...

    def close(self) -> None: ...


@dataclass
class Later:
    """What a response waits for, and what happens then.

    until: starts the wait; called in the view's thread. seconds: the longest wait. answer: makes the final response; called in
    any thread. abandon: called in any thread if the client disconnects before that. language: of the answer.
    """

    until: Callable[[], Awaited]
    seconds: float
    answer: Callable[[], HttpResponse]
    abandon: Callable[[], object] = lambda: None
    language: str | None = field(default_factory=translation.get_language)


@dataclass
class Pending:
    """What a request waits for between its two passes: the attribute `pending` of the ASGI handler's requests."""

    later: Later | None = None
    arrival: Awaited | None = None


class LaterMiddleware:
    """Stands before the session's middleware: on the second pass, `answer` needs no session."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PlatformRequest) -> HttpResponseBase:
        pending: Pending | None = getattr(request, "pending", None)
        if pending is not None and pending.later is not None:
            return _final_response(request, pending.later)
        response = self.get_response(request)
        later: Later | None = getattr(response, "later", None)
        if later is None:
            return response
        if pending is None:
            with contextlib.closing(later.until()) as arrival:
                arrival.wait(later.seconds)
            return _final_response(request, later)
        pending.later, pending.arrival = later, later.until()
        return response


def _final_response(request: PlatformRequest, later: Later) -> HttpResponse:
    with translation.override(later.language):
        try:
            response = later.answer()
        except DomainError as error:  # a page's; API views answer with problem+json themselves
            response = error_page(request, error)
    response.headers.setdefault("Content-Length", str(len(response.content)))
    return response
