"""How the ASGI server calls Django: each request runs in one thread, and waits for photos without a thread.

Django's own handler changes threads about ten times per request, starts a thread for each request and sets up its database
wrapper again. What this uses of that handler although it is not documented is held by
tests/faceplatform/web/test_contracts_http.py.
"""

import asyncio
import contextlib
import io
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.db import close_old_connections
from django.http import QueryDict
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix
from django.utils.datastructures import MultiValueDict
from django.utils.http import parse_header_parameters

from faceplatform.database.trouble import unavailable
from faceplatform.web.asgi_types import Receive, Scope, Send
from faceplatform.web.later import Later, Pending
from faceplatform.web.multipart import tidied
from faceplatform.web.views import unavailable_now


class Request(ASGIRequest):
    """A request that ignores a charset unless it reads ASCII unchanged. Django would accept every codec of Python, among them
    some that do not decode text (hex) and some that yield lone surrogates (utf-7, unicode_escape)."""

    pending: Pending

    def _set_content_type_params(self, meta: Mapping[str, Any]) -> None:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        charset = self.content_params.get("charset")
        if charset and _reads_ascii(charset):
            self.encoding = charset

    def parse_file_upload(self, META: Mapping[str, Any], post_data: Any) -> tuple[QueryDict, MultiValueDict]:
        return super().parse_file_upload(META, tidied(post_data, META.get("CONTENT_TYPE", "")))


class Handler(ASGIHandler):
    """at_once: how many requests Django handles at a time, each with a thread and a database connection. Further requests wait,
    with their bodies already read. lanes: beginnings of paths, and how many requests for them are handled beside the others,
    whatever those wait for."""

    request_class = Request

    def __init__(self, at_once: int, lanes: Mapping[tuple[str, ...], int] | None = None) -> None:
        super().__init__()
        self.threads = ThreadPoolExecutor(at_once, thread_name_prefix="request")
        self._lanes = {
            paths: ThreadPoolExecutor(count, thread_name_prefix=paths[0]) for paths, count in (lanes or {}).items()
        }

    def _threads_for(self, path: str) -> ThreadPoolExecutor:
        return next((threads for paths, threads in self._lanes.items() if path.startswith(paths)), self.threads)

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware()  # never for an event loop: a request runs in one thread from end to end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
            request, refusal = self.create_request(_with_length(scope, body), body)
            response = await self._respond(request, receive) if isinstance(request, Request) else refusal
            if response is not None and response.streaming:
                await self._stream(response, receive, send)
            elif response is not None:
                await self.send_response(response, send)

    async def _respond(self, request: Request, receive: Receive) -> HttpResponseBase | None:
        """The response, from a second pass if it had to wait for something; None if the client disconnects meanwhile."""
        request.pending = pending = Pending()
        run_in = asyncio.get_running_loop().run_in_executor
        threads = self._threads_for(request.path_info)
        try:
            response = await run_in(threads, self._pass, request)
            if pending.later is None or pending.arrival is None:
                return response
            arrived = asyncio.wrap_future(pending.arrival.future)
            if not await _wait_while_connected(receive, arrived, pending.later.seconds):
                await run_in(threads, _abandon, pending.later)
                return None
            return await run_in(threads, self._pass, request)
        finally:
            if pending.arrival is not None:
                pending.arrival.close()

    async def _refuse_unread(self, scope: Scope, send: Send, error: OSError) -> None:
        """The disk has no room for the body, so it was not read to its end and the connection ends as well."""
        request, refusal = self.create_request(scope, io.BytesIO())
        problem = unavailable(error)
        if problem is None:
            raise error
        response = refusal or unavailable_now(request, problem)
        response["Connection"] = "close"
        await self.send_response(response, send)

    def _pass(self, request: Request) -> HttpResponseBase:
        """One pass through Django, in a thread. Returns its database connection at the end."""
        set_script_prefix(request.META["SCRIPT_NAME"])
        signals.request_started.send(sender=self.__class__, scope=request.scope)
        response = self.get_response(request)
        if response.streaming:
            close_old_connections()
        else:
            response.close()
        return response

    async def _stream(self, response: HttpResponseBase, receive: Receive, send: Send) -> None:
        """Sends a response that is generated in a thread of its own; see streaming.py for its database connection."""
        async with ThreadSensitiveContext():
            sending = asyncio.ensure_future(self.send_response(response, send))
            try:
                await _wait_while_connected(receive, sending)
                with contextlib.suppress(asyncio.CancelledError):
                    await sending
            finally:
                await sync_to_async(response.close)()


def _anonymous(scope: dict) -> dict:
    """Who asks does not matter: nobody looks for a session in a database that may be away."""
    headers = [(name, value) for name, value in scope["headers"] if name not in (b"cookie", b"authorization")]
    return {**scope, "headers": headers}


def _with_length(scope: Scope, body: IO[bytes]) -> Scope:
    """The same with the length of the body as it was read, whatever the client said of it: Django and DRF would take a body that
    came in chunks for an empty one."""
    length = str(body.seek(0, os.SEEK_END)).encode()
    body.seek(0)
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    return {**scope, "headers": [*headers, (b"content-length", length)]}


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


async def _wait_while_connected(receive: Receive, work: asyncio.Future[None], seconds: float | None = None) -> bool:
    """Waits for `work`, at most `seconds`. Returns whether the client is still connected. Cancels `work` if it is not done."""
    disconnect = asyncio.ensure_future(_wait_for_disconnect(receive))
    try:
        await asyncio.wait({work, disconnect}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return not disconnect.done()
    finally:
        for task in (work, disconnect):
            task.cancel()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
