"""Refuses request bodies larger than any upload may be, before Django writes them to disk."""

import json

from faceplatform.web.api import PROBLEM
from faceplatform.web.asgi_types import Application, Message, Receive, Scope, Send
from faceplatform.web.middleware import request_id_of


def limit_body(application: Application, limit: int, import_limit: int | None = None) -> Application:
    """Wraps an ASGI application: answers 413 if Content-Length is over the limit, and cuts off a body that grows over it.

    limit: bytes. import_limit: bytes for uploads of an import, if the request carries a key or a session.
    """

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await application(scope, receive, send)
        most = import_limit if import_limit and _is_import(scope) else limit
        if _content_length(scope) > most:
            return await _refuse(scope, send, most)
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message if received <= most else {"type": "http.disconnect"}

        return await application(scope, receive_counted, send)

    return limited


def _is_import(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return scope["path"].endswith("/imports") and (b"authorization" in headers or b"cookie" in headers)


def _content_length(scope: Scope) -> int:
    text = dict(scope["headers"]).get(b"content-length", b"0")
    return int(text) if text.isdigit() else 0


async def _refuse(scope: Scope, send: Send, most: int) -> None:
    detail = f"The upload is larger than {most / 2**20:.0f} MiB. Send fewer or smaller photos at once."
    request_id = request_id_of(dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1"))
    body = {"type": "about:blank", "title": "Too large", "status": 413, "detail": detail, "code": "image_too_large"}
    body["request_id"] = request_id
    headers = [(b"content-type", PROBLEM.encode()), (b"connection", b"close"), (b"x-request-id", request_id.encode())]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
