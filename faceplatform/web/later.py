"""Answers that wait for the queue, without holding a thread or a database connection meanwhile.

A view answers with a response that carries a Later. Under the ASGI server that response is dropped: the handler
(faceplatform/web/handler.py) waits where waiting is cheap, and hangs up where the client has; then the request passes a second
time, and LaterMiddleware gives the final answer. Without that server, in tests, the thread waits in the middleware.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpResponse

from faceplatform.database.listen import Arrival
from faceplatform.errors import DomainError
from faceplatform.web.middleware import error_page


@dataclass
class Later:
    """until: starts the waiting, in the view's thread. answer: gives the final answer, in any thread. abandon: called, in any
    thread, where the client hangs up before."""

    until: Callable[[], Arrival]
    seconds: float
    answer: Callable[[], HttpResponse]
    abandon: Callable[[], object] = lambda: None


@dataclass
class Pending:
    """What a request waits for, from its first pass to the second; its `pending`."""

    later: Later | None = None
    arrival: Arrival | None = None


class LaterMiddleware:
    """See above. Outside of all that needs a session: the final answer is made by whoever asked for it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        pending = getattr(request, "pending", None)
        if pending is not None and pending.later is not None:
            return _final(request, pending.later)
        response = self.get_response(request)
        later = getattr(response, "later", None)
        if later is None:
            return response
        if pending is None:
            with contextlib.closing(later.until()) as arrival:
                arrival.wait(later.seconds)
            return _final(request, later)
        pending.later, pending.arrival = later, later.until()
        return response


def _final(request, later: Later) -> HttpResponse:
    try:
        response = later.answer()
    except DomainError as error:  # of a page; the API's views make problems of theirs
        response = error_page(request, error)
    response.headers.setdefault("Content-Length", str(len(response.content)))
    return response
