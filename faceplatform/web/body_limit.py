"""Refuses bodies larger than any upload may be, before Django writes them to disk."""

import json

from faceplatform.web.api import PROBLEM
from faceplatform.web.middleware import request_id_of


def limit_body(application, usual: int, imports: int | None = None):
    """An ASGI application that answers 413 to a body announced too large, and hangs up on one that grows so.

    usual: bytes; imports: bytes where a ZIP of many people is sent, by somebody who at least says who they are.
    """

    async def limited(scope, receive, send):
        if scope["type"] != "http":
            return await application(scope, receive, send)
        most = imports if imports and _is_import(scope) else usual
        if _announced(scope) > most:
            return await _refuse(scope, send, most)
        received = 0

        async def counting():
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message if received <= most else {"type": "http.disconnect"}

        return await application(scope, counting, send)

    return limited


def _is_import(scope) -> bool:
    headers = dict(scope["headers"])
    return scope["path"].endswith("/imports") and (b"authorization" in headers or b"cookie" in headers)


def _announced(scope) -> int:
    text = dict(scope["headers"]).get(b"content-length", b"0")
    return int(text) if text.isdigit() else 0


async def _refuse(scope, send, most: int) -> None:
    detail = f"The upload is larger than {most / 2**20:.0f} MiB. Send fewer or smaller photos at once."
    request_id = request_id_of(dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1"))
    body = {"type": "about:blank", "title": "Too large", "status": 413, "detail": detail, "code": "image_too_large"}
    body["request_id"] = request_id
    headers = [(b"content-type", PROBLEM.encode()), (b"connection", b"close"), (b"x-request-id", request_id.encode())]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
