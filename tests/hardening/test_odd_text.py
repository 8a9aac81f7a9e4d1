"""NUL, half a character, and numbers of 5,000 digits, in every address: in its path, its query and its form."""

import json
import re
from pathlib import Path

import pytest
from api_client import client_of
from django.test import Client
from every_address import VALUES, addresses
from factories import GalleryFactory, UserFactory

from accounts.actor import Actor, Via

pytestmark = pytest.mark.django_db
ODD = {"NUL": "a%00b", "no UTF-8": "%ff%fe", "half a character": "%ed%a0%80", "digits": "9" * 5000, "control": "%1b%0a"}
DOCUMENTED = json.loads((Path(__file__).resolve().parents[1] / "openapi.json").read_text())["paths"]
FILLED_IN = {*VALUES.values(), "1.jpg"}
PARAMETERS = sorted(
    {
        parameter["name"]
        for operations in DOCUMENTED.values()
        for operation in operations.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }
    | {"page", "q", "search", "gallery", "person", "action", "month", "photo", "change", "o", "p"}
)


@pytest.fixture
def clients():
    """Of a user who may do everything: pages, and the API."""
    GalleryFactory(slug="staff")
    user = UserFactory(is_superuser=True, is_staff=True)
    pages = Client(raise_request_exception=False)
    pages.force_login(user)
    api = client_of(Actor(user=user, via=Via.API))
    api.raise_request_exception = False
    return pages, api


def paths() -> list[str]:
    return sorted(
        {
            path
            for path, _ in addresses()
            if "(?" not in path and ".*" not in path and path not in ("/sign-out", "/health/ready")
        }
    )


def test_in_the_query_of_every_address(clients, subtests):
    pages, api = clients
    assert len(paths()) > 120
    for path in paths():
        client = api if path.startswith("/api/") else pages
        with subtests.test(path=path):
            for odd in ODD.values():
                query = "&".join(f"{name}={odd if name != 'page' else odd[:40]}" for name in PARAMETERS)
                answer = client.get(f"{path}?{query}")
                assert answer.status_code < 500, (path, odd[:20])
            for name in read_by(path):
                assert client.get(f"{path}?{name}={ODD['NUL']}").status_code < 500, (path, name)


def read_by(path: str) -> list[str]:
    """The parameters that are also given alone, lest the refusal of one hide what another does: those an address may read."""
    if (path.startswith("/admin/") and path.count("/") != 4) or path in ("/api/v1/schema/", "/api/v1/docs/"):
        return []  # of the admin's pages, lists alone choose by them
    for template, operations in DOCUMENTED.items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            asked = operations.get("get", {}).get("parameters", [])
            return [parameter["name"] for parameter in asked if parameter["in"] == "query"]
    return PARAMETERS


def test_in_every_part_of_a_path(clients, subtests):
    pages, api = clients
    for path in paths():
        client = api if path.startswith("/api/") else pages
        parts = path.split("/")
        with subtests.test(path=path):
            for place in range(1, len(parts)):
                if parts[place] in ("", "api", "v1"):
                    continue
                # A fixed word that is changed leads to no view, whatever is written there.
                for odd in ODD.values() if parts[place] in FILLED_IN else [ODD["NUL"]]:
                    changed = "/".join([*parts[:place], odd, *parts[place + 1 :]])
                    assert client.get(changed).status_code < 500, changed[:80]


def test_in_the_form_of_every_page(clients, subtests):
    pages, _ = clients
    names = [
        "name",
        "external_id",
        "reason",
        "confirm",
        "pack",
        "gallery",
        "person",
        "quality_gate",
        "threshold",
        "photo",
        "ids",
    ]
    for path in paths():
        if path.startswith(("/api/", "/admin/")):
            continue
        with subtests.test(path=path):
            for odd in ("a\0b", "\ud800", "9" * 5000, "\x1b\n"):
                body = "&".join(f"{name}={quoted(odd)}" for name in names)
                answer = pages.post(path, body, content_type="application/x-www-form-urlencoded")
                assert answer.status_code < 500, (path, odd[:5])
                assert "ErrorDetail" not in answer.content.decode(errors="replace") if not answer.streaming else True


def quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))
