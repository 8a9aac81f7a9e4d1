"""What keys and roles see over the API. Who may call what: test_access_table.py."""

import pytest
from api_client import NOW, client_of, problem, upload
from factories import GalleryFactory, IdentityFactory, UserFactory, member
from rest_framework.test import APIClient

from accounts.actor import system_actor
from accounts.keys.services import create_api_key, revoke_api_key
from accounts.models import ApiKey
from accounts.roles import Role
from gallery.models import Gallery
from recognition.photos.models import RecognitionRequest

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.fixture
def viewer(gallery) -> APIClient:
    return client_of(member(gallery, Role.VIEWER))


def test_a_key_is_stored_as_a_hash_and_can_end(gallery, viewer):
    user = member(gallery, Role.VIEWER).user
    row, key = create_api_key(actor=system_actor(), user=user, scopes=["read"], days=1)
    assert key not in str(ApiKey.objects.values().get())
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")
    assert client.get("/api/v1/me").json()["scopes"] == ["read"]
    row.refresh_from_db()
    assert row.last_used_at is not None
    revoke_api_key(actor=system_actor(), api_key=row)
    problem(client.get("/api/v1/me"), 401, "not_authenticated")
    ApiKey.objects.update(revoked_at=None, expires_at=row.created_at)
    problem(client.get("/api/v1/me"), 401, "not_authenticated")
    ApiKey.objects.update(expires_at=None)
    user.is_active = False
    user.save()
    problem(client.get("/api/v1/me"), 401, "not_authenticated")
    problem(APIClient(HTTP_AUTHORIZATION="Bearer fp_wrong").get("/api/v1/me"), 401, "not_authenticated")


def test_a_key_for_one_gallery_hides_the_others(gallery):
    user = UserFactory(is_superuser=True)
    other = GalleryFactory(slug="other")
    IdentityFactory(gallery=other)
    _, key = create_api_key(actor=system_actor(), user=user, gallery=gallery, scopes=["read", "enrol"])
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")
    assert [row["slug"] for row in client.get("/api/v1/galleries").json()["results"]] == ["staff"]
    problem(client.get("/api/v1/galleries/other"), 404, "not_found")
    assert client.get("/api/v1/identities").json()["results"] == []
    problem(client.post("/api/v1/identities", {"gallery": "other", "name": "X"}, format="json"), 404, "not_found")


def test_viewers_see_their_own_recognitions_curators_all(gallery, living_worker, hopper):
    first, second = client_of(member(gallery, Role.VIEWER)), client_of(member(gallery, Role.VIEWER))
    made = first.post("/api/v1/recognitions", {"gallery": "staff", "photo": upload(hopper)}, **NOW)
    assert first.get(made["Location"]).status_code == 200
    problem(second.get(made["Location"]), 404, "not_found")
    problem(second.delete(made["Location"]), 404, "not_found")
    curator = client_of(member(gallery, Role.CURATOR))
    assert len(curator.get("/api/v1/recognitions?gallery=staff").json()["results"]) == 1
    assert second.get("/api/v1/recognitions").json()["results"] == []
    assert first.delete(made["Location"]).status_code == 204
    assert RecognitionRequest.objects.count() == 0


def test_a_key_for_one_gallery_cannot_create_another(db):
    gallery = GalleryFactory()
    user = member(gallery, Role.OWNER).user
    user.is_staff = True
    user.save()
    _, key = create_api_key(actor=system_actor(), user=user, gallery=gallery, scopes=["manage"])
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")
    assert client.post("/api/v1/galleries", {"name": "Other"}, format="json").json()["code"] == "not_allowed"
    assert list(Gallery.objects.all()) == [gallery]
