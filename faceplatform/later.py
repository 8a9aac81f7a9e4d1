"""Answers that wait for the queue, without holding a thread or a database connection meanwhile.

A view answers with a response that carries a Later. Under the ASGI server that response is dropped: `answer_later` waits
where waiting is cheap, and hangs up where the client has; then it calls the application again, and LaterMiddleware gives
the final answer. Without that server, in tests, the thread waits in the middleware.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from django.http import HttpResponse

from faceplatform.errors import DomainError
from faceplatform.listen import Arrival
from faceplatform.middleware import error_page

PENDING = "faceplatform.pending"  # in the ASGI scope


@dataclass
class Later:
    """until: starts the waiting, in the view's thread. answer: gives the final answer, in any thread."""

    until: Callable[[], Arrival]
    seconds: float
    answer: Callable[[], HttpResponse]


@dataclass
class Pending:
    """What a request waits for, from its first pass through the application to the second."""

    later: Later | None = None
    arrival: Arrival | None = None
    headers: list = field(default_factory=list)


class LaterMiddleware:
    """See above. Outside of all that needs a session: the final answer is made by whoever asked for it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        pending = getattr(request, "scope", {}).get(PENDING)
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


def answer_later(application, at_once: int):
    """An ASGI application that waits for what a Later waits for.

    at_once: so many requests are in Django at a time, each with its thread and connection; the others wait here, with
    their bodies read.
    """
    places = asyncio.Semaphore(at_once)

    async def answering(scope, receive, send):
        if scope["type"] != "http":
            return await application(scope, receive, send)
        pending = Pending()
        scope = {**scope, PENDING: pending}
        try:
            await _pass(application, places, scope, receive, _unless_pending(pending, send))
            if pending.later is not None and await _wait(pending, receive):
                await _pass(application, places, _second(scope, pending), _no_body(receive), send)
        finally:
            if pending.arrival is not None:
                pending.arrival.close()

    return answering


async def _pass(application, places: asyncio.Semaphore, scope, receive, send) -> None:
    """One pass through Django, in a place from the body's end to the answer's start."""
    async with contextlib.AsyncExitStack() as place:
        taken = False

        async def receiving():
            nonlocal taken
            message = await receive()
            if not taken and message["type"] == "http.request" and not message.get("more_body"):
                taken = True
                await place.enter_async_context(places)
            return message

        async def sending(message):
            if message["type"] == "http.response.start":
                await place.aclose()
            await send(message)

        await application(scope, receiving, sending)


def _unless_pending(pending: Pending, send):
    """Drops the first answer where there will be a final one."""

    async def sending(message):
        if pending.later is None:
            await send(message)
        elif message["type"] == "http.response.start":
            pending.headers = message["headers"]

    return sending


async def _wait(pending: Pending, receive) -> bool:
    """Returns whether the client is still there when the wait is over."""
    arrived = asyncio.wrap_future(pending.arrival.future)
    gone = asyncio.ensure_future(_disconnection(receive))
    try:
        await asyncio.wait({arrived, gone}, timeout=pending.later.seconds, return_when=asyncio.FIRST_COMPLETED)
        return not gone.done()
    finally:
        for task in (arrived, gone):
            task.cancel()


async def _disconnection(receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _second(scope: dict, pending: Pending) -> dict:
    """The request again, without its body, under the same request id."""
    dropped = (b"content-length", b"content-type", b"transfer-encoding", b"x-request-id")
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in dropped]
    ids = [(name, value) for name, value in pending.headers if name.lower() == b"x-request-id"]
    return {**scope, "headers": headers + [(b"x-request-id", value) for _, value in ids]}


def _no_body(receive):
    given = False

    async def receiving():
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return receiving
