"""The bytes of real clients, on the wire, with a real worker: taken everywhere, chunked or not."""

import base64
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from api_world import make_rows, new_key, path_values, undocumented_operations
from clients_bytes import FORMS, JSONS, chunked
from django.db.models.functions import Now
from factories import GalleryFactory, IdentityFactory, member

from accounts.actor import system_actor
from accounts.keys.services import create_api_key
from accounts.roles import Role, Scope
from recognition.photos.models import RecognitionRequest, Worker

OPENAPI = json.loads((Path(__file__).resolve().parents[1] / "openapi.json").read_text())
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def person():
    return IdentityFactory(gallery=GalleryFactory(slug="staff"), name="Ada")


@pytest.fixture
def key(person) -> str:
    curator = member(person.gallery, Role.CURATOR)
    scopes = ["recognize", "read", "enrol"]
    return create_api_key(actor=system_actor(), user=curator.user, gallery=person.gallery, scopes=scopes)[1]


def exchange(web, sent: bytes) -> tuple[int, Any]:
    """The final answer to a request: its status and its JSON."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=60) as connection:
        connection.sendall(sent)
        answer = connection.makefile("rb")
        while True:
            status = int(answer.readline().split()[1])
            headers = dict(line.lower().split(b": ", 1) for line in iter(answer.readline, b"\r\n"))
            if status != 100:
                break
        body = answer.read(int(headers[b"content-length"])) if b"content-length" in headers else answer.read()
    return status, json.loads(body)


@pytest.mark.parametrize("write", FORMS, ids=lambda write: write.__name__)
def test_every_client_sends_a_photo(web, running_worker, key, person, collins, write):
    form = {"gallery": "staff", "photo": ("visitor.jpg", collins)}
    status, answer = exchange(web, write("/api/v1/recognitions", {"Authorization": f"Bearer {key}"}, form))
    assert (status, len(answer["faces"])) == (201, 1), answer
    name = {"dotnet_form_without_file_name": "photo"}.get(write.__name__, "visitor.jpg")
    assert RecognitionRequest.objects.get().photo_name == name
    path = "/api/v1/recognition/recognize?det_prob_threshold=0.8"
    status, answer = exchange(web, write(path, {"x-api-key": key}, {"file": ("visitor.jpg", collins)}))
    assert (status, len(answer["result"])) == (200, 1), answer


@pytest.mark.parametrize("write", JSONS, ids=lambda write: write.__name__)
def test_every_client_sends_json(web, running_worker, key, person, collins, write):
    body = {"gallery": "staff", "photo": base64.b64encode(collins).decode()}
    status, answer = exchange(web, write("/api/v1/recognitions", {"Authorization": f"Bearer {key}"}, body))
    assert (status, len(answer["faces"])) == (201, 1), answer
    status, answer = exchange(web, write("/api/v1/detection/detect", {"x-api-key": key}, {"file": body["photo"]}))
    assert (status, len(answer["result"])) == (200, 1), answer


def bodies() -> list[tuple[str, str, str]]:
    """Method, path and content type of every operation that takes a body, CompreFace's among them."""
    documented = [
        (method.upper(), path, kind)
        for path, methods in OPENAPI["paths"].items()
        for method, operation in methods.items()
        for kind in operation.get("requestBody", {}).get("content", {})
    ]
    compreface = [tuple(operation.split()) for operation in sorted(undocumented_operations())]
    return documented + [(method, path, "application/json") for method, path in compreface if method in ("POST", "PUT")]


def test_every_operation_takes_a_body_in_chunks(web, pack_dir, subtests):
    """It says of a wrong body what it says of the same one with a Content-Length."""
    rows = make_rows()
    key = new_key(rows["operator"], Scope, rows["gallery"])
    wrong = {"application/json": b'["wrong"]', "multipart/form-data; boundary=x": b"--x\r\n\r\n\r\n--x--\r\n"}
    wrong["image/jpeg"] = b"no picture"
    read = set()
    for method, path, kind in bodies():
        Worker.objects.update(last_seen_at=Now())
        with subtests.test(method=method, path=path, kind=kind):
            content_type, body = next((name, body) for name, body in wrong.items() if name.startswith(kind))
            lines = [
                "Host: 127.0.0.1",
                f"Authorization: Bearer {key}",
                f"x-api-key: {key}",
                f"Content-Type: {content_type}",
            ]
            head = "\r\n".join([f"{method} {path.format(**path_values(path, rows))} HTTP/1.1", *lines, ""]).encode()
            whole = exchange(web, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            in_chunks = exchange(web, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body[:4], body[4:]))
            nothing = exchange(web, head + b"Content-Length: 0\r\n\r\n")
            assert said(in_chunks) == said(whole)
            read |= {path} if said(in_chunks) != said(nothing) else set()
    assert {
        "/api/v1/identities",
        "/api/v1/recognitions",
        "/api/v1/searches",
        "/api/v1/recognition/faces/delete",
    } <= read


def said(answer: tuple[int, Any]) -> tuple[int, Any]:
    """An answer without what is another one each time."""
    status, body = answer
    return status, {name: value for name, value in body.items() if name != "request_id"} if status >= 400 else body
