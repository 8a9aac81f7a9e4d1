"""Large bodies on the wire: who may send them is decided before they are read."""

import json
import socket
from random import Random

import pytest
from archives import zipped
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from factories import GalleryFactory, UserFactory, member

from accounts.callers import is_known
from accounts.keys.services import create_api_key, revoke_api_key
from accounts.roles import Role
from recognition.imports.models import Import

pytestmark = pytest.mark.django_db(transaction=True)
HUGE = 2 * 1024**3


@pytest.fixture
def curator():
    return member(GalleryFactory(slug="staff"), Role.CURATOR)


@pytest.fixture
def key(curator) -> str:
    return create_api_key(actor=curator, user=curator.user, scopes=["recognize", "read", "enrol"])[1]


@pytest.fixture
def session(curator) -> str:
    client = Client()
    client.force_login(curator.user)
    return client.cookies["sessionid"].value


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode()


def answer_to(web, sent: bytes) -> tuple[int, bytes]:
    """The first answer and its body. Nothing more is sent after `sent`."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection:
        connection.sendall(sent)
        got = b""
        while b"\r\n\r\n" not in got:
            piece = connection.recv(65536)
            assert piece, got
            got += piece
        top, _, body = got.partition(b"\r\n\r\n")
        status = int(top.split()[1])
        length = next(
            (int(line.split(b":")[1]) for line in top.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        while status != 100 and len(body) < length:
            body += connection.recv(65536)
        return status, body


STRANGERS = [
    "X-Nothing: 1",
    "Authorization: Bearer fp_unknown",
    "Authorization: Basic eDp5",
    "Cookie: sessionid=unknown; anything=1",
    "X-API-Key: unknown",
]
PLACES = {
    "/api/v1/imports": 401,
    "/galleries/staff/imports": 403,
    "/api/v1/recognitions": 401,
    "/api/v1/recognition/recognize": 404,
    "/anything/imports": 413,
    "/api/v1/galleries": 413,
    "/sign-in": 413,
}


def test_strangers_are_refused_before_their_body(web, curator, subtests):
    """They announce as much as the largest upload may have, and get the answer although they send nothing of it."""
    for path, status in PLACES.items():
        size = HUGE if "imports" in path else 5_000_000
        for stranger in STRANGERS:
            for more in ([], ["Expect: 100-continue"]):
                with subtests.test(path=path, stranger=stranger, more=more):
                    got, _ = answer_to(web, head(path, stranger, f"Content-Length: {size}", *more))
                    assert got == status
    assert not Import.objects.exists()


def test_members_are_told_to_go_on(web, key, session):
    expects = [f"Content-Length: {HUGE}", "Expect: 100-continue"]
    assert answer_to(web, head("/api/v1/imports", f"Authorization: Bearer {key}", *expects))[0] == 100
    assert answer_to(web, head("/galleries/staff/imports", f"Cookie: sessionid={session}", *expects))[0] == 100


def test_a_member_uploads_a_zip(web, key):
    data = zipped({"ada/1.jpg": Random(1).randbytes(300_000)}).getvalue()
    form = b'--x\r\nContent-Disposition: form-data; name="gallery"\r\n\r\nstaff\r\n--x\r\n'
    form += b'Content-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n' + data + b"\r\n--x--\r\n"
    kind = ["Content-Type: multipart/form-data; boundary=x", f"Authorization: Bearer {key}"]
    assert answer_to(web, head("/api/v1/imports", *kind, f"Content-Length: {len(form)}") + form)[0] == 202
    chunk = f"{len(form):x}\r\n".encode() + form + b"\r\n0\r\n\r\n"
    assert answer_to(web, head("/api/v1/imports", *kind, "Transfer-Encoding: chunked") + chunk)[0] == 202
    assert Import.objects.count() == 2


def test_two_lengths_at_once_are_refused(web, key):
    lines = [f"Authorization: Bearer {key}", "Content-Length: 3", "Transfer-Encoding: chunked"]
    status, body = answer_to(web, head("/api/v1/identities", *lines) + b"0\r\n\r\n")
    assert status == 400
    assert "either Content-Length or Transfer-Encoding" in json.loads(body)["detail"]


def test_a_chunked_body_is_counted(web, key):
    """The address takes 1 MiB: the answer comes although the body never ends."""
    lines = [f"Authorization: Bearer {key}", "Transfer-Encoding: chunked", "Content-Type: application/json"]
    chunk = b"40000\r\n" + b" " * 0x40000 + b"\r\n"
    status, body = answer_to(web, head("/api/v1/identities", *lines) + chunk * 5)
    assert (status, json.loads(body)["code"]) == (413, "too_large")


def test_who_is_known(curator, key, session):
    def known(**headers: str) -> bool:
        return is_known({name.replace("_", "-").encode(): value.encode() for name, value in headers.items()})

    assert known(authorization=f"Bearer {key}") and known(authorization=f"bearer  {key} ") and known(x_api_key=key)
    assert known(cookie=f"a=b; sessionid={session}")
    assert not known(authorization=f"Basic {key}") and not known(authorization=key)
    assert not known(authorization="Bearer no", cookie=f"sessionid={session}")
    assert not known() and not known(cookie="sessionid=") and not known(cookie=f"other={session}")
    empty = SessionStore()
    empty.create()
    assert not known(cookie=f"sessionid={empty.session_key}")
    curator.user.is_active = False
    curator.user.save()
    assert not known(authorization=f"Bearer {key}") and not known(cookie=f"sessionid={session}")


def test_an_ended_key_and_session_are_not_known():
    user = UserFactory()
    actor = member(GalleryFactory(slug="staff"), Role.CURATOR)
    row, key = create_api_key(actor=actor, user=actor.user, scopes=["read"])
    revoke_api_key(actor=actor, api_key=row)
    assert not is_known({b"authorization": f"Bearer {key}".encode()})
    client = Client()
    client.force_login(user)
    cookie = f"sessionid={client.cookies['sessionid'].value}".encode()
    assert is_known({b"cookie": cookie})
    user.set_password("another one, please")
    user.save()
    assert not is_known({b"cookie": cookie})
