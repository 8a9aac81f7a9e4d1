"""The page “API keys”."""

import re

import pytest
from factories import GalleryFactory, member, stranger
from rest_framework.test import APIClient

from accounts.keys.services import create_api_key
from accounts.models import ApiKey, AuditEvent
from accounts.roles import Role

pytestmark = pytest.mark.django_db
FORM = {"name": "door", "scopes": ["recognize"], "days": "30", "gallery": ""}


@pytest.fixture
def actor():
    return member(GalleryFactory(name="Staff"), Role.VIEWER)


@pytest.fixture
def page(client, actor):
    client.force_login(actor.user)
    return client


def shown(response) -> str:
    return re.search(r'value="(fp_[\w-]+)"', response.content.decode())[1]


def test_a_key_is_made_shown_once_replaced_and_revoked(page):
    first = shown(page.post("/api-keys", FORM))
    listed = page.get("/api-keys").content.decode()
    assert "door" in listed and first not in listed
    row = ApiKey.objects.get()
    second = shown(page.post(f"/api-keys/{row.pk}/rotate"))
    api = APIClient()
    for key in (first, second):
        api.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
        assert api.get("/api/v1/recognitions").status_code == 200
    page.post(f"/api-keys/{row.pk}/revoke", follow=True)
    assert [key.state for key in ApiKey.objects.order_by("id")] == ["revoked", "valid"]
    again = page.post(f"/api-keys/{row.pk}/rotate", follow=True)
    assert "has expired or was revoked" in again.content.decode()
    assert list(AuditEvent.objects.order_by("id").values_list("action", flat=True)) == [
        "api_key.created", "api_key.rotated", "api_key.revoked",
    ]  # fmt: skip


@pytest.mark.parametrize("change", [{"scopes": []}, {"name": ""}, {"days": "7"}, {"gallery": "x"}])
def test_bad_input_makes_no_key(page, change):
    assert page.post("/api-keys", FORM | change).status_code == 400
    assert ApiKey.objects.count() == 0


def test_the_page_offers_visible_galleries_and_own_keys_only(page, actor):
    hidden = GalleryFactory(name="Hidden")
    assert "Hidden" not in page.get("/api-keys").content.decode()
    assert page.post("/api-keys", FORM | {"gallery": str(hidden.pk)}).status_code == 400
    other = stranger()
    row, _ = create_api_key(actor=other, user=other.user, scopes=["read"])
    for what in ("rotate", "revoke"):
        assert page.post(f"/api-keys/{row.pk}/{what}").status_code == 404
        assert page.get(f"/api-keys/{row.pk}/{what}").status_code == 405
    row.refresh_from_db()
    assert (ApiKey.objects.count(), row.state, row.expires_at) == (1, "valid", None)
    page.logout()
    assert page.get("/api-keys").status_code == 302
