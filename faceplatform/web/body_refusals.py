"""The answer to a request whose body is not received, in the shape of its address: Django never sees the request."""

import asyncio
import io
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, JsonResponse
from django.utils import translation

from faceplatform.errors import DomainError
from faceplatform.web.api import PROBLEM, problem_response
from faceplatform.web.asgi_types import Receive, Scope, Send
from faceplatform.web.body_kinds import address_of
from faceplatform.web.languages import retold
from faceplatform.web.leading import lead_to_sign_in, page_of
from faceplatform.web.middleware import STRICT_POLICY, page_of_error, request_id_of

LINGER_SECONDS, LINGER_BYTES = 2, 1024 * 1024


async def refuse(scope: Scope, receive: Receive, send: Send, error: DomainError) -> None:
    """Sends the answer, and closes the connection.

    A client that is still sending would lose the answer if its data came to a closed connection: a little of it is thrown away.
    """
    request_id = request_id_of(dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1"))
    await send_refusal(scope, receive, send, response_of(scope, error, request_id))


async def send_refusal(scope: Scope, receive: Receive, send: Send, response: HttpResponse) -> None:
    response["Content-Length"] = str(len(response.content))
    response["Connection"] = "close"
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": fields})
    await send({"type": "http.response.body", "body": response.content, "more_body": True})
    if b"expect" not in dict(scope["headers"]):
        await _linger(receive)
    await send({"type": "http.response.body", "body": b""})


def kind_of(scope: Scope) -> tuple[Any, bool, str]:
    """What a refusal depends on, beside the error: the view that shapes it, whether it is the API's, and the language."""
    request: Any = SimpleNamespace(COOKIES={}, META=_meta(scope))
    language = translation.get_language_from_request(request)
    return address_of(scope).view, scope["path"].startswith("/api/"), language


def response_of(scope: Scope, error: DomainError, request_id: str) -> HttpResponse:
    request: Any = SimpleNamespace(request_id=request_id, path=scope["path"], COOKIES={}, META=_meta(scope))
    view = address_of(scope).view
    is_api = view or scope["path"].startswith("/api/")
    lost = None if is_api or error.code != "not_authenticated" else _lead_on(scope)
    with translation.override(translation.get_language_from_request(request)):
        response = lost or page_of_error(request, status=error.status, detail=retold(error.message))
    if is_api:
        handle = view().get_exception_handler() if view else problem_response
        answer: Any = handle(error, {"request": request})
        response = JsonResponse(answer.data, status=answer.status_code, content_type=answer.content_type or PROBLEM)
    response["X-Request-ID"], response["Content-Security-Policy"] = request_id, STRICT_POLICY
    if is_api and response.status_code == 401:
        response["WWW-Authenticate"] = "Bearer"
    if error.retry_after:
        response["Retry-After"] = str(error.retry_after)
    return response


def _lead_on(scope: Scope) -> HttpResponse | None:
    """To the page of signing in, if one of our pages has sent the request: its session is lost."""
    request = ASGIRequest(scope, io.BytesIO())
    with suppress(DisallowedHost):
        return lead_to_sign_in(request) if page_of(request) else None
    return None


def _meta(scope: Scope) -> dict[str, str]:
    """What tells the language."""
    return {"HTTP_ACCEPT_LANGUAGE": dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")}


async def _linger(receive: Receive) -> None:
    size = 0
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while size < LINGER_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return
