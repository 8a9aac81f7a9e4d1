import asyncio
import json

from faceplatform.web.body_limit import limit_body


async def echo(scope, receive, send):
    """An application that answers how many bytes it got, and whether the client disconnected."""
    total = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return await send({"type": "hung up", "total": total})
        total += len(message["body"])
        if not message["more_body"]:
            return await send({"type": "done", "total": total})


def call(chunks: list[int], announced: int | None = None, most: int = 100) -> list[dict]:
    messages = [
        {"type": "http.request", "body": b"x" * size, "more_body": number < len(chunks) - 1}
        for number, size in enumerate(chunks)
    ]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    headers = [] if announced is None else [(b"content-length", str(announced).encode())]
    asyncio.run(limit_body(echo, most)({"type": "http", "headers": headers}, receive, send))
    return sent


def test_a_body_within_the_limit_passes():
    assert call([60, 40], announced=100) == [{"type": "done", "total": 100}]


def test_an_announced_large_body_is_refused_unread():
    start, body = call([], announced=101)
    assert start["status"] == 413
    problem = json.loads(body["body"])
    assert "Send fewer or smaller photos" in problem["detail"]
    assert dict(start["headers"])[b"x-request-id"].decode() == problem["request_id"]


def test_a_body_that_grows_over_the_limit_is_cut():
    assert call([60, 60, 60]) == [{"type": "hung up", "total": 60}]
    assert call([60, 60], announced=10) == [{"type": "hung up", "total": 60}]
