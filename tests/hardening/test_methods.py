"""Every address called with every method: what is not documented answers 405, and nothing crashes."""

import inspect
import json
import re
from pathlib import Path

import pytest
from api_client import client_of
from django.test import Client
from every_address import addresses
from factories import GalleryFactory, UserFactory

from accounts.actor import Actor, Via

pytestmark = pytest.mark.django_db
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"]
DOCUMENTED = json.loads((Path(__file__).resolve().parents[1] / "openapi.json").read_text())["paths"]
API = [(path, view) for path, view in addresses() if path.startswith("/api/v1/") and hasattr(view, "cls")]
PAGES = [path for path, view in addresses() if not hasattr(view, "cls") and "(?P" not in path and ".*" not in path]


def documented(path: str, view) -> set[str]:
    """Methods of an address, from the schema or, for what is left out of it, from the view."""
    exact = {path: DOCUMENTED[path]} if path in DOCUMENTED else {}
    for template, operations in (exact or DOCUMENTED).items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return {method.upper() for method in operations} | {"HEAD"} & ({"HEAD"} if "get" in operations else set())
    handlers = set(getattr(view, "actions", None) or []) | {
        name for name in view.cls.http_method_names if hasattr(view.cls, name)
    }
    return {name.upper() for name in handlers - {"options"}} | ({"HEAD"} if "get" in handlers else set())


def test_undocumented_methods_of_the_api(subtests):
    GalleryFactory(slug="staff")
    client = client_of(Actor(user=UserFactory(is_superuser=True, is_staff=True), via=Via.API))
    assert len(API) > 60
    for path, view in API:
        allowed = documented(path, view)
        if path.startswith(("/api/v1/recognition/", "/api/v1/detection/", "/api/v1/verification/")):
            continue  # CompreFace's; they want a key of their own, and have a test of their own
        others = [method for method in METHODS if method not in allowed]
        with subtests.test(path=path):
            assert {method: client.generic(method, path).status_code for method in others} == dict.fromkeys(others, 405)


def test_undocumented_methods_of_pages(subtests):
    GalleryFactory(slug="staff")
    client = Client(raise_request_exception=False)
    client.force_login(UserFactory(is_superuser=True, is_staff=True))
    assert len(PAGES) > 60
    for path in PAGES:
        with subtests.test(path=path):
            for method in METHODS[3:]:
                answer = client.generic(method, path)
                assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, POST")
                assert "Use GET" in answer.content.decode()


def test_a_page_is_posted_to_only_if_it_takes_a_form(subtests):
    """Each page's view names what it takes: a form that nobody reads is answered 405, never with the page as if it were sent."""
    GalleryFactory(slug="staff")
    client = Client(raise_request_exception=False)
    client.force_login(UserFactory(is_superuser=True, is_staff=True))
    silent = {}
    for path in PAGES:
        if path.startswith(("/admin/", "/sign-")):
            continue  # Django's own: forms all of them
        answer = client.post(path, {"unknown": "1"})
        with subtests.test(path=path):
            assert answer.status_code < 500
        if answer.status_code == 405:
            assert "Use GET" in answer.content.decode() and answer["Allow"] == "GET, HEAD"
            silent[path] = 405
    assert set(silent) >= {
        "/",
        "/audit",
        "/system",
        "/evaluations",
        "/health/live",
        "/health/ready",
        "/galleries/staff/",
    }
    assert len(silent) >= 20


def test_no_page_that_reads_no_form_takes_one():
    """A view that looks at neither the method nor the form has to say that it is only read."""
    for path, view in addresses():
        inner = inspect.unwrap(view)
        if hasattr(view, "cls") or inner.__module__.split(".")[0] not in (
            "accounts",
            "gallery",
            "recognition",
            "faceplatform",
        ):
            continue
        source = inspect.getsource(inner)
        takes = "method" in source or "POST" in source or "require_safe" in source or path.startswith("/admin/")
        assert takes, f"{path}: {inner.__qualname__}"
