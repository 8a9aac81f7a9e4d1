"""The header Accept: every operation is answered in the content types of its own schema."""

import json
from pathlib import Path

import pytest
from api_client import compreface_error, problem
from api_world import make_rows, new_key, path_values, undocumented_operations
from django.db import transaction
from rest_framework.test import APIClient

from accounts.roles import Scope
from gallery.models import FaceCrop

pytestmark = pytest.mark.django_db
OPENAPI = json.loads((Path(__file__).resolve().parents[2] / "openapi.json").read_text())
PICTURES = ("/api/v1/samples/{id}/crop.jpg", "/api/v1/recognitions/{id}/annotated.jpg")
ALWAYS = ["", ",", "*/*;q=0.1", "application/*", "application/problem+json", "application/json, text/plain, */*"]


def accepted(operation: dict) -> list[str]:
    """The content types of its answers, errors among them, and what includes them."""
    kinds = {kind for answer in operation["responses"].values() for kind in answer.get("content", {})}
    return [*sorted(kinds), *sorted({f"{kind.partition('/')[0]}/*;q=0.9" for kind in kinds}), *ALWAYS]


@pytest.fixture
def rows(pack_dir, settings, lasting_workers) -> dict:
    settings.KEY_RATE = settings.USER_RATE = 0
    found = make_rows()
    FaceCrop.objects.get_or_create(
        sample_id=found["sample"], defaults={"jpeg": found["jpeg"], "width": 1, "height": 1, "landmarks": []}
    )
    return found


@pytest.fixture
def client(rows) -> APIClient:
    key = new_key(rows["operator"], Scope, rows["gallery"])
    return APIClient(raise_request_exception=False, HTTP_AUTHORIZATION=f"Bearer {key}", HTTP_X_API_KEY=key)


def call(client, method: str, path: str, accept: str):
    """Nothing that it writes stays."""
    with transaction.atomic():
        answer = client.generic(method, path, b"{}", content_type="application/json", HTTP_ACCEPT=accept)
        transaction.set_rollback(True)
    return answer


def test_every_operation_is_answered_in_its_own_content_types(client, rows, subtests):
    for path, methods in OPENAPI["paths"].items():
        for method, operation in methods.items():
            address = path.format(**path_values(path, rows))
            usual = call(client, method.upper(), address, "*/*").status_code
            for accept in accepted(operation):
                with subtests.test(method=method, path=path, accept=accept):
                    answer = call(client, method.upper(), address, accept)
                    assert answer.status_code == usual != 406
                    if usual >= 400:
                        assert answer["Content-Type"] == "application/problem+json"


def test_every_call_of_compreface_too(client, rows, subtests):
    for operation in sorted(undocumented_operations()):
        method, path = operation.split()
        kinds = ["image/jpeg", "image/*", "application/octet-stream"] if path.endswith("/img") else []
        usual = call(client, method, path.format(**rows), "*/*").status_code
        for accept in [*kinds, *ALWAYS]:
            with subtests.test(operation=operation, accept=accept):
                assert call(client, method, path.format(**rows), accept).status_code == usual


def test_a_picture_may_be_asked_for_as_a_picture(client, rows):
    for path in PICTURES:
        address = path.format(**path_values(path, rows))
        for accept in ("image/jpeg", "image/*", "image/avif,image/webp,image/*,*/*;q=0.8", ""):
            answer = client.get(address, HTTP_ACCEPT=accept)
            assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
            assert answer.content.startswith(b"\xff\xd8")
        gone = address.replace(str(path_values(path, rows)["id"]), str(rows["other"]))
        problem(client.get(gone, HTTP_ACCEPT="image/jpeg"), 404, "not_found")
    gone = client.get("/api/v1/recognition/faces/x/verify", HTTP_ACCEPT="image/jpeg")
    assert compreface_error(gone)


def test_what_an_operation_does_not_give_is_refused(client, rows):
    for path, accept in (
        ("/api/v1/galleries", "image/jpeg"),
        ("/api/v1/galleries", "text/html"),
        (PICTURES[0], "image/png"),
        (PICTURES[0], "text/csv"),
        (PICTURES[1], "application/zip"),
        ("/api/v1/identities/{id}/export", "text/csv"),
        ("/api/v1/imports/{id}/report.csv", "application/zip"),
    ):
        address = path.format(**path_values(path, rows))
        detail = problem(client.get(address, HTTP_ACCEPT=accept), 406, "not_acceptable")["detail"]
        assert "Correct the header Accept, or leave it out" in detail
