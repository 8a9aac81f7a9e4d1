"""The bytes of real clients, on the wire, with a real worker: taken everywhere, chunked or not."""

import base64
import json
import socket

import pytest
from clients_bytes import FORMS, JSONS, axios_stream, chunked
from factories import GalleryFactory, IdentityFactory, member

from accounts.actor import system_actor
from accounts.keys.services import create_api_key
from accounts.roles import Role
from gallery.models import FaceSample, Identity
from recognition.imports.models import Import
from recognition.photos.models import RecognitionRequest

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def person():
    return IdentityFactory(gallery=GalleryFactory(slug="staff"), name="Ada")


@pytest.fixture
def key(person) -> str:
    curator = member(person.gallery, Role.CURATOR)
    scopes = ["recognize", "read", "enrol"]
    return create_api_key(actor=system_actor(), user=curator.user, gallery=person.gallery, scopes=scopes)[1]


def exchange(web, sent: bytes) -> tuple[int, dict]:
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
