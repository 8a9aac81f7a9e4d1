"""The `detail` of an error is a sentence, however deep the fault lies in the body."""

import json
from pathlib import Path

import pytest
from api_client import compreface_error, problem, upload
from api_world import make_rows, new_key, path_values, undocumented_operations
from django.db import transaction
from rest_framework.exceptions import ErrorDetail
from rest_framework.test import APIClient

from accounts.roles import Scope
from faceplatform.web.api import _first_message

pytestmark = pytest.mark.django_db
OPENAPI = json.loads((Path(__file__).resolve().parents[2] / "openapi.json").read_text())
WRONG = [[{}], {"a": ["b"]}, [[["x"]]], [None, {"b": {}}], {}, [], "x" * 5000, -(10**30), None]
VECTORS = ["embeddings", "source", "targets"]


@pytest.fixture
def rows(pack_dir, settings, lasting_workers) -> dict:
    settings.KEY_RATE = settings.USER_RATE = 0
    return make_rows()


@pytest.fixture
def client(rows) -> APIClient:
    key = new_key(rows["operator"], Scope, rows["gallery"])
    more = {"HTTP_AUTHORIZATION": f"Bearer {key}", "HTTP_X_API_KEY": key, "HTTP_PREFER": "wait=0"}
    return APIClient(raise_request_exception=False, **more)


def fields() -> list[tuple[str, str, list[str]]]:
    """Method, path and the fields of its JSON body, of every operation."""
    found = []
    for path, methods in OPENAPI["paths"].items():
        for method, operation in methods.items():
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            names = (
                OPENAPI["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {}).get("properties")
            )
            found += [(method.upper(), path, list(names))] if names else []
    posts = [tuple(operation.split()) for operation in sorted(undocumented_operations())]
    return found + [(method, path, ["file", "source_image", *VECTORS]) for method, path in posts if method == "POST"]


def is_sentence(text: str) -> bool:
    return not any(mark in text for mark in ("ErrorDetail", "['", '["', "{'", "{0", "[{", "Traceback", "None"))


def test_no_detail_shows_lists_of_python(client, rows, subtests):
    for method, path, names in fields():
        for wrong in WRONG:
            with subtests.test(method=method, path=path, wrong=str(wrong)[:20]), transaction.atomic():
                address = path.format(**path_values(path, rows)) if "{id}" in path else path.format(**rows)
                answer = client.generic(method, address, json.dumps(dict.fromkeys(names, wrong)), "application/json")
                transaction.set_rollback(True)
                assert answer.status_code < 500
                if answer.status_code >= 400:
                    said = answer.json()
                    text = said.get("detail") or said.get("message") or str(said["photos"][0]["message"])
                    assert is_sentence(text), text


def test_the_place_of_a_fault_is_named(client, rows):
    samples = f"/api/v1/identities/{rows['identity']}/samples"
    detail = problem(client.post(samples, {"photos": [rows["photo"], "*"]}, format="json"), 400, "invalid_input")[
        "detail"
    ]
    assert detail.startswith("photos: 2: This text is not base64.")
    answer = client.post(
        "/api/v1/verification/embeddings/verify", {"source": [1], "targets": [[1], ["x"]]}, format="json"
    )
    assert compreface_error(answer)["message"].startswith("targets: 2: 1: A valid number is required.")
    answer = client.post(samples, {"photos": [upload(b"")]})
    assert is_sentence(answer.json().get("detail", ""))


def test_messages_as_rest_framework_nests_them():
    fault = ErrorDetail("Too long.", "max_length")
    for errors, message in (
        ({"name": [fault]}, "name: Too long."),
        ({"non_field_errors": [fault]}, "Too long."),
        ({"photos": {1: [fault]}}, "photos: 2: Too long."),
        ({"rows": [{}, {"name": [fault]}]}, "rows: name: Too long."),
        ([fault], "Too long."),
        ({"name": fault}, "name: Too long."),
    ):
        assert _first_message(errors) == message


def test_a_choice_is_refused_with_the_choices(client, rows):
    for method, path, field, kind in (
        ("patch", "/api/v1/galleries/staff", "quality_gate", "one"),
        ("put", "/api/v1/galleries/staff/members/{username}", "role", "one"),
        ("post", "/api/v1/identities/{identity}/samples", "quality_gate", "one"),
    ):
        for wrong in ([{"a": ["b"]}], "nonsense", {"a": "b"}):
            body = {field: wrong, "photos": [rows["photo"]]}
            answer = getattr(client, method)(path.format(**rows), body, format="json")
            assert problem(answer, 400, "invalid_input")["detail"].startswith(f"{field}: Send {kind} of ")
    answer = client.post("/api/v1/api-keys", {"scopes": [{"a": ["b"]}]}, format="json")
    assert problem(answer, 400, "invalid_input")["detail"] == "scopes: Send some of recognize, read, enrol, manage."
