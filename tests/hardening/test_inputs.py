"""What clients send by mistake or malice, in every field of every call: refused with a reason, or taken; never a crash."""

import json
from pathlib import Path

import pytest
from api_client import NOW, problem, upload
from api_world import make_rows, path_values, picture
from django.db import transaction
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from nasty import FILE_NAMES, KINDS, NASTY, RAW
from rest_framework.test import APIClient

from recognition.photos.models import RecognitionRequest

OPENAPI = json.loads((Path(__file__).resolve().parents[1] / "openapi.json").read_text())
TAKING = {
    f"{method.upper()} {path}": operation["requestBody"]["content"]
    for path, methods in OPENAPI["paths"].items()
    for method, operation in methods.items()
    if "requestBody" in operation
}


@pytest.fixture
def rows(db, pack_dir, settings, lasting_workers):
    settings.KEY_RATE = settings.USER_RATE = 0
    return make_rows()


@pytest.fixture
def client(rows) -> APIClient:
    made = APIClient(raise_request_exception=False, HTTP_PREFER="wait=0")
    made.force_login(rows["operator"])
    return made


def send(client, operation: str, rows, data: bytes, kind: str = "application/json", **headers):
    """The answer; what it changed is rolled back."""
    method, path = operation.split()
    with transaction.atomic():
        answer = client.generic(method, path.format(**path_values(path, rows)), data, content_type=kind, **headers)
        transaction.set_rollback(True)
    return answer


def fair(answer) -> bool:
    """Taken, or refused as a problem that says why."""
    if answer.status_code < 400 or "enrolled" in answer.json():
        return True
    return answer.status_code < 500 and answer["Content-Type"] == "application/problem+json" and answer.json()["detail"]


@pytest.mark.parametrize("operation", [name for name, content in TAKING.items() if "application/json" in content])
def test_every_field_takes_anything(operation, client, rows):
    example = TAKING[operation]["application/json"]["example"]
    example |= {"gallery": "staff"} if "gallery" in example else {}
    bodies = [value for value in NASTY if not isinstance(value, str)]
    # A third of the values for each field, so that all are tried on some.
    bodies += [example | {field: value} for n, field in enumerate(example) for value in NASTY[n % 3 :: 3]]
    unfair = []
    for body in bodies:
        answer = send(client, operation, rows, json.dumps(body).encode())
        if not fair(answer):
            unfair.append((str(body)[:200], answer.status_code, answer.content[:200]))
    assert unfair == []


@pytest.mark.parametrize("operation", TAKING)
def test_every_call_takes_any_bytes_under_any_type(operation, client, rows):
    pairs = [(data, "application/json") for data in RAW]
    kinds = KINDS[list(TAKING).index(operation) % 3 :: 3]
    pairs += [(data, kind) for kind in kinds for data in (b"", b'{"name": "Ada"}', b"--x\r\n\r\n", b"--x--")]
    answers = {(data[:50], kind[:50]): send(client, operation, rows, data, kind) for data, kind in pairs}
    assert {pair: answer.content for pair, answer in answers.items() if not fair(answer)} == {}


BAD_VECTORS = [
    ["NaN"] * 128, ["Infinity"] * 128, [1e308] * 128, [-1e39] * 128, [0.0] * 128, [1.0] * 127, [1.0] * 4096, [], [[1.0]],
]  # fmt: skip


@pytest.mark.parametrize("vector", BAD_VECTORS, ids=lambda vector: f"{len(vector)} x {vector[:1]}")
def test_vectors_that_are_none(vector, client, rows):
    body = {"gallery": "staff", "vector": vector}
    problem(client.post("/api/v1/searches", body, format="json"), 400, "invalid_input")


@pytest.mark.parametrize("threshold", ["NaN", "Infinity", -1, 0, 1e308])
def test_thresholds_that_are_none(threshold, client, rows):
    vector = rows["vector"]
    searched = client.post(
        "/api/v1/searches", {"gallery": "staff", "vector": vector, "threshold": threshold}, format="json"
    )
    problem(searched, 400, "invalid_input")
    sent = {"gallery": "staff", "photo": upload(picture()), "threshold": threshold}
    problem(client.post("/api/v1/recognitions", sent, **NOW), 400, "invalid_input")
    values = {"threshold_source": "manual", "threshold_distance": threshold}
    if threshold != 1e308:  # a gallery may have any above 0
        problem(client.patch("/api/v1/galleries/staff", values, format="json"), 400, "invalid_input")


@given(
    noise=st.binary(max_size=300),
    at=st.integers(0, 700),
    name=FILE_NAMES,
    address=st.sampled_from(["recognitions", "detections"]),
)
@example(noise=b"", at=0, name="\0", address="recognitions")
@example(noise=b"", at=0, name="/", address="recognitions")
@example(noise=b"", at=0, name="..", address="detections")
@example(noise=b"", at=0, name="", address="detections")
@examples(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_damaged_photos_under_any_name(client, rows, noise, at, name, address):
    """Taken into the queue, where the worker looks closer, or refused with a reason code."""
    data = bytearray(picture())
    data[at : at + len(noise)] = noise
    with transaction.atomic():
        photo = upload(bytes(data))
        photo._name = name  # as it is: the setter refuses what other clients send
        answer = client.post(f"/api/v1/{address}", {"gallery": "staff", "photo": photo})
        assert answer.status_code in (202, 400, 413, 422), answer.content
        if answer.status_code == 202:
            kept = RecognitionRequest.objects.latest("id")
            assert bytes(kept.photo) == bytes(data) and "\0" not in kept.photo_name and len(kept.photo_name) <= 255
        transaction.set_rollback(True)


@pytest.mark.parametrize("name", ["محمد", "👩‍👩‍👧‍👦 Familie", "Z̷̧a̡l͢g͘o", "ﷺ" * 50, "Ωλυμπία ½", "𝒜𝒹𝒶", "x" * 200])
def test_names_of_all_scripts_are_kept_as_they_are(name, client, rows):
    made = client.post("/api/v1/identities", {"gallery": "staff", "name": name}, format="json")
    assert made.status_code == 201 and made.json()["name"] == name
    found = client.get("/api/v1/identities", {"search": name}).json()["results"]
    assert name in [person["name"] for person in found]  # 𝒜𝒹𝒶 finds Ada as well


CURSORS = ["", "x", "%00", "cD0x", "bz05OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "cD0lMDA=", "cj0xJnA9eA==", "é", "=" * 5000]
LISTS = ("identities", "identities?ordering=updated_at", "audit-events", "galleries/staff/health/findings", "imports")


@pytest.mark.parametrize("cursor", CURSORS)
def test_cursors_that_are_none(cursor, client, rows):
    for address in LISTS:
        path, _, ordering = address.partition("?ordering=")
        asked = {"cursor": cursor, "limit": 1} | ({"ordering": ordering} if ordering else {})
        assert fair(client.get(f"/api/v1/{path}", asked)), address
