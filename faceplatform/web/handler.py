"""How the ASGI server calls Django: the whole of a request in one thread, and a wait for photos in none.

Django's own handler changes threads some ten times a request, starts a thread for each and sets its database wrapper up anew.
What of that handler this leans on, though Django does not document it, is held by tests/faceplatform/web/test_contracts_http.py.
"""

import asyncio
import contextlib
import io
from collections.abc import Awaitable, Mapping
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.db import close_old_connections
from django.urls import set_script_prefix
from django.utils.http import parse_header_parameters

from faceplatform.database.trouble import unavailable
from faceplatform.web.later import Later, Pending
from faceplatform.web.views import unavailable_now


class Request(ASGIRequest):
    """A charset that does not read ASCII as it is counts for nothing: of Python's some decode no text (hex), others give half
    characters (utf-7, unicode_escape), and Django takes them all."""

    def _set_content_type_params(self, meta):
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        charset = self.content_params.get("charset")
        if charset and _reads_ascii(charset):
            self.encoding = charset


class Handler(ASGIHandler):
    """at_once: so many requests are in Django at a time, each with its thread and connection; the others wait before it, with
    their bodies read. lanes: beginnings of paths, and how many requests for them pass beside, whatever the others wait for."""

    request_class = Request

    def __init__(self, at_once: int, lanes: Mapping[tuple[str, ...], int] | None = None):
        super().__init__()
        self.threads = ThreadPoolExecutor(at_once, thread_name_prefix="request")
        self._lanes = {
            paths: ThreadPoolExecutor(count, thread_name_prefix=paths[0]) for paths, count in (lanes or {}).items()
        }

    def _threads_for(self, path: str) -> ThreadPoolExecutor:
        return next((threads for paths, threads in self._lanes.items() if path.startswith(paths)), self.threads)

    def load_middleware(self, is_async=False):
        super().load_middleware()  # never for an event loop: all of a request passes in one thread

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            raise ValueError(f"Only HTTP is served here, not {scope['type']}.")
        if scope["path"].startswith("/health/"):
            scope = _anonymous(scope)
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        except OSError as error:  # there is no room for it on the disk
            return await self._refuse_unread(scope, send, error)
        with body:
            request, refusal = self.create_request(scope, body)
            response = refusal or await self._respond(request, receive)
            if response is not None and response.streaming:
                await self._stream(response, receive, send)
            elif response is not None:
                await self.send_response(response, send)

    async def _respond(self, request, receive):
        """The answer, after a second pass where it waited for something; None where the client is gone by then."""
        request.pending = pending = Pending()
        passing = asyncio.get_running_loop().run_in_executor
        threads = self._threads_for(request.path_info)
        try:
            response = await passing(threads, self._pass, request)
            if pending.later is None:
                return response
            arrived = asyncio.wrap_future(pending.arrival.future)
            if not await _while_there(receive, arrived, pending.later.seconds):
                await passing(threads, _abandon, pending.later)
                return None
            return await passing(threads, self._pass, request)
        finally:
            if pending.arrival is not None:
                pending.arrival.close()

    async def _refuse_unread(self, scope, send, error: OSError) -> None:
        """What the disk had no room for was not read to its end, so the connection ends as well."""
        request, refusal = self.create_request(scope, io.BytesIO())
        problem = unavailable(error)
        if problem is None:
            raise error
        response = refusal or unavailable_now(request, problem)
        response["Connection"] = "close"
        await self.send_response(response, send)

    def _pass(self, request):
        """One pass through Django, in a thread: gives its database connection back in the end."""
        set_script_prefix(request.META["SCRIPT_NAME"])
        signals.request_started.send(sender=self.__class__, scope=request.scope)
        response = self.get_response(request)
        if response.streaming:
            close_old_connections()
        else:
            response.close()
        return response

    async def _stream(self, response, receive, send) -> None:
        """What is made while it is sent, in a thread of its own, which holds the database connection."""
        async with ThreadSensitiveContext():
            sending = asyncio.ensure_future(self.send_response(response, send))
            try:
                await _while_there(receive, sending)
                with contextlib.suppress(asyncio.CancelledError):
                    await sending
            finally:
                await sync_to_async(response.close)()


def _anonymous(scope: dict) -> dict:
    """Who asks does not matter: nobody looks for a session in a database that may be away."""
    headers = [(name, value) for name, value in scope["headers"] if name not in (b"cookie", b"authorization")]
    return {**scope, "headers": headers}


def _reads_ascii(charset: str) -> bool:
    text = "+2AA- \\u0041"
    try:
        return text.encode("ascii").decode(charset) == text
    except (LookupError, ValueError):
        return False


def _abandon(later: Later) -> None:
    try:
        later.abandon()
    finally:
        close_old_connections()


async def _while_there(receive, work: Awaitable, seconds: float | None = None) -> bool:
    """Waits for `work`, so many seconds at most. Returns whether the client is still there; else `work` is cancelled."""
    gone = asyncio.ensure_future(_disconnection(receive))
    try:
        await asyncio.wait({work, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return not gone.done()
    finally:
        for task in (work, gone):
            task.cancel()


async def _disconnection(receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
