"""The ASGI handler, tested over HTTP: threads, connections, headers, downloads, sessions."""

import asyncio
import io
import json
import threading
import zipfile
from contextlib import closing
from unittest.mock import patch
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from factories import GalleryFactory, IdentityFactory, member
from web_process import Call

from accounts.keys.services import create_api_key
from accounts.roles import Role
from faceplatform.web.handler import Handler, Request
from faceplatform.web.streaming import download

MOST = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def person():
    return IdentityFactory(gallery=GalleryFactory(slug="staff"), name="Ada")


@pytest.fixture
def curator(person):
    return member(person.gallery, Role.CURATOR)


@pytest.fixture
def key(curator):
    return create_api_key(actor=curator, user=curator.user, scopes=["read", "enrol", "recognize"])[1]


def ask(web, method: str, path: str, body: dict | None = None, *, times: int = 1, **headers: str) -> list:
    """The answers to `times` calls made at once."""

    async def all_of_them():
        calls = [await Call.start(web.port, method, f"/api/v1/{path}", body, **headers) for _ in range(times)]
        return await asyncio.gather(*(call.answer() for call in calls))

    return asyncio.run(all_of_them())


def connections() -> int:
    """How many connections the web server has to the database."""
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'web'")
        return cursor.fetchone()[0]


def test_each_request_returns_its_connection(web, key, person):
    answers = ask(web, "GET", f"identities/{person.pk}", times=60, Authorization=f"Bearer {key}")
    assert {(status, json.loads(body)["name"]) for status, _, body in answers} == {(200, "Ada")}
    assert 0 < connections() <= MOST
    assert len({headers["x-request-id"] for _, headers, _ in answers}) == 60
    assert web.threads < 40


def test_downloads_are_complete_and_return_their_connections(web, key, person):
    async def disconnect_early():
        for _ in range(25):
            call = await Call.start(web.port, "GET", path, Authorization=f"Bearer {key}")
            call.hang_up()

    path = f"/api/v1/identities/{person.pk}/export"
    asyncio.run(disconnect_early())
    for status, headers, body in ask(
        web, "GET", path.removeprefix("/api/v1/"), times=30, Authorization=f"Bearer {key}"
    ):
        assert (status, headers["content-type"]) == (200, "application/zip")
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert archive.testzip() is None
    [(status, _, _)] = ask(web, "GET", "me", Authorization=f"Bearer {key}")
    assert status == 200
    assert 0 < connections() <= MOST


def test_a_download_that_nobody_reads_holds_no_connection():
    """While the client takes its first block, the generator has ended and its connection is given back."""
    states = []

    def blocks():
        try:
            yield b"block" * 50_000
        finally:
            states.append("made")

    async def read_slowly():
        async def send(message):
            if message.get("body"):
                states.append("sent")

        request = Request({"type": "http", "method": "GET", "path": "/", "headers": []}, None)
        response = download(request, blocks(), name="people.zip", content_type="application/zip")
        await Handler(1)._stream(response, asyncio.Future, send)

    with patch("faceplatform.web.streaming.connections.close_all", lambda: states.append("given back")):
        asyncio.run(read_slowly())
    assert states[:3] == ["made", "given back", "sent"]


def test_a_session_needs_its_csrf_token(web, curator, client):
    client.force_login(curator.user)
    client.get("/galleries/staff/recognise")
    cookies = {name: client.cookies[name].value for name in ("sessionid", "csrftoken")}
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    new = {"gallery": "staff", "name": "Grace"}
    [(status, _, body)] = ask(web, "POST", "identities", new, **headers)
    assert (status, json.loads(body)["code"]) == (403, "not_allowed")
    [(status, _, _)] = ask(web, "POST", "identities", new, **headers, X_CSRFToken=cookies["csrftoken"])
    assert status == 201


@pytest.mark.parametrize("charset", ["hex", "idna", "utf-7", "unicode_escape", "utf-16", "nonsense", "\u00e9"])
def test_an_unusable_charset_is_ignored(web, key, person, charset):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": f"application/json; charset={charset}"}
    query = urlencode({"gallery": "staff", "q": "+2AA-"})
    [(status, _, _)] = ask(web, "GET", f"identities?{query}", **headers)
    assert status == 200
    [(status, _, body)] = ask(web, "POST", "identities", {"gallery": "staff", "name": "Zo\u00eb"}, **headers)
    assert (status, json.loads(body)["name"]) == (201, "Zo\u00eb")


def test_a_usable_charset_is_honoured(web, key, person):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json; charset=iso-8859-1"}

    async def post():
        call = await Call.start(web.port, "POST", "/api/v1/identities", **headers, body=body)
        return await call.answer()

    body = json.dumps({"gallery": "staff", "name": "Zo\u00eb"}, ensure_ascii=False).encode("iso-8859-1")
    status, _, answer = asyncio.run(post())
    assert (status, json.loads(answer)["name"]) == (201, "Zo\u00eb")


def test_a_download_ends_in_its_own_thread_where_the_client_takes_no_more():
    """The client goes while a block waits to be sent; by then all blocks are made."""
    threads = []

    def blocks():
        try:
            for _ in range(3):
                threads.append(threading.get_ident())
                yield b"block" * 50_000
        finally:
            threads.append(threading.get_ident())

    async def broken_off():
        begun = asyncio.Event()

        async def receive():
            await begun.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            if "body" in message:
                begun.set()
                await asyncio.Future()

        request = Request({"type": "http", "method": "GET", "path": "/", "headers": []}, None)
        response = download(request, blocks(), name="people.zip", content_type="application/zip")
        await Handler(1)._stream(response, receive, send)
        assert (len(threads), len(set(threads))) == (4, 1)

    asyncio.run(broken_off())


@pytest.mark.parametrize(
    "said", [[], [(b"content-length", b"3")], [(b"content-length", b"7"), (b"content-length", b"0")]]
)
def test_the_length_of_a_body_is_what_was_read(said):
    """Whatever the client, or a server before this one, said of it; also where the body came without a word about its length."""
    lengths = []

    class Seen(Handler):
        def load_middleware(self, is_async=False):
            self._middleware_chain = lambda request: (
                lengths.append(request.META["CONTENT_LENGTH"]) or HttpResponse(request.body)
            )

    async def ask():
        pieces = [
            {"type": "http.request", "body": piece, "more_body": bool(piece)} for piece in (b"four", b" more", b"")
        ]

        async def receive():
            return pieces.pop(0) if pieces else await asyncio.Future()

        async def send(message):
            lengths.append(message.get("body"))

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "headers": said,
            "query_string": b"",
            "http_version": "1.1",
        }
        await Seen(1)(scope, receive, send)

    asyncio.run(ask())
    assert lengths[0] == "9" and b"four more" in lengths
