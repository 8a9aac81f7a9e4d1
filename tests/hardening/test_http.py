"""What happens on the wire: broken and slow uploads, headers made to break out, the same call twice at once."""

import asyncio
import base64
import io
import json
import re

import pytest
from django.db import connection
from factories import GalleryFactory, member
from PIL import Image
from web_process import Call

from accounts.keys.services import create_api_key
from accounts.roles import Role
from gallery.models import Identity
from recognition.photos import queue
from recognition.photos.models import RecognitionRequest

pytestmark = pytest.mark.django_db(transaction=True)
SCOPES = ["recognize", "read", "enrol"]


@pytest.fixture
def key():
    queue.register_worker(host="test", process_id=1)
    actor = member(GalleryFactory(slug="staff"), Role.CURATOR)
    return create_api_key(actor=actor, user=actor.user, scopes=SCOPES)[1]


def photo_body() -> dict:
    out = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(out, "PNG")
    return {"gallery": "staff", "photo": base64.b64encode(out.getvalue()).decode()}


def raw(key: str, data: bytes, *lines: str, path: str = "/api/v1/recognitions", length: int | None = None) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", f"Authorization: Bearer {key}"]
    head += ["Prefer: wait=0", f"Content-Length: {len(data) if length is None else length}", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + data


async def talk(web, *pieces: bytes, pause: float = 0.0, hang_up: bool = False) -> bytes:
    """Sends piece after piece; gives all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)
    answer = b"" if hang_up else await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def counts() -> tuple[int, int]:
    try:
        return RecognitionRequest.objects.count(), Identity.objects.count()
    finally:
        connection.close()


def test_half_sent_and_slow_uploads(web, key):
    data = json.dumps(photo_body()).encode()
    kind = "Content-Type: application/json"
    whole = raw(key, data, kind)

    async def all_of_them():
        for cut in (10, len(whole) - len(data), len(whole) - 5):
            await talk(web, whole[:cut], hang_up=True)
        form = raw(
            key, b"--x\r\nContent-Disposition: form-data; name=", "Content-Type: multipart/form-data; boundary=x"
        )
        refused = await talk(web, form)
        step = len(whole) // 5 + 1
        slow = [whole[start : start + step] for start in range(0, len(whole), step)]
        return refused, await talk(web, *slow, pause=0.2)

    refused, taken = asyncio.run(all_of_them())
    assert status(refused) == 400
    assert status(taken) == 202
    assert counts() == (1, 0)


HEADERS = [
    "X-Request-ID: a\tb",
    "X-Request-ID: " + "a" * 65,
    "X-Request-ID: a%0d%0aSet-Cookie: x=1",
    "X-Request-ID: é\x01",
    "X-Request-ID: a\nSet-Cookie: x=1",
    "X-Request-ID: a\rSet-Cookie: x=1",
    "Idempotency-Key: é\x80",
    "Prefer: wait=" + "9" * 5000,
    "If-Match: \x01\x02",
    "X-Forwarded-For: <script>",
    "Cookie: sessionid=\x7f\xff",
    "Transfer-Encoding: nonsense",
]


def test_headers_that_try_to_break_out(web, key, subtests):
    data = json.dumps({"gallery": "staff", "name": "Ada"}).encode()
    for header in HEADERS:
        call = raw(key, data, "Content-Type: application/json", header, path="/api/v1/identities")
        with subtests.test(header[:40]):
            before = counts()[1]
            answer = asyncio.run(talk(web, call))
            head, _, _ = answer.partition(b"\r\n\r\n")
            assert status(answer) in (201, 400, 501)
            assert b"set-cookie: x=1" not in head.lower()
            given = [
                line.split(b": ", 1)[1] for line in head.split(b"\r\n") if line.lower().startswith(b"x-request-id")
            ]
            assert all(re.fullmatch(rb"[0-9a-f-]{36}|a", one) for one in given)
            assert counts()[1] - before == (status(answer) == 201)


def test_the_same_post_twice_at_once(web, key):
    """With an Idempotency-Key it happens once; without one each happens, and an external id keeps people apart."""

    async def at_once(path, body, **headers):
        headers |= {"Authorization": f"Bearer {key}", "Prefer": "wait=0"}
        calls = await asyncio.gather(*(Call.start(web.port, "POST", path, body, **headers) for _ in range(8)))
        return sorted(answer[0] for answer in await asyncio.gather(*(call.answer() for call in calls)))

    person = {"gallery": "staff", "name": "Ada", "external_id": "17"}
    assert asyncio.run(at_once("/api/v1/recognitions", photo_body(), Idempotency_Key="a")) == [202] * 8
    assert counts() == (1, 0)
    assert asyncio.run(at_once("/api/v1/recognitions", photo_body())) == [202] * 8
    assert counts() == (9, 0)
    assert asyncio.run(at_once("/api/v1/identities", person)) == [201] + [409] * 7
    assert counts() == (9, 1)
    assert (
        asyncio.run(at_once("/api/v1/identities", {"gallery": "staff", "name": "Ada"}, Idempotency_Key="b"))
        == [201] * 8
    )
    assert counts() == (9, 2)
