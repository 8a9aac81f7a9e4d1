"""Who may call what over the API: roles, scopes, keys; a denied call changes nothing."""

import base64

import pytest
from api_client import NOW, client_of, problem, upload
from factories import GalleryFactory, IdentityFactory, SampleFactory, UserFactory, member, stranger
from rest_framework.test import APIClient

from accounts.actor import system_actor
from accounts.models import ApiKey, AuditEvent
from accounts.roles import Role, Scope
from accounts.services import create_api_key, revoke_api_key
from gallery.models import FaceSample, Gallery, Identity
from recognition.models import RecognitionRequest

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.fixture
def viewer(gallery) -> APIClient:
    return client_of(member(gallery, Role.VIEWER))


def state() -> tuple:
    """What a denied call must leave alone."""
    return (
        Gallery.objects.values_list("pk", "name").count(),
        sorted(Identity.objects.values_list("pk", "name")),
        FaceSample.objects.count(),
        RecognitionRequest.objects.count(),
        AuditEvent.objects.count(),
    )


CALLS = {  # name: (method, address, body, the least role)
    "gallery": ("get", "/api/v1/galleries/staff", None, Role.VIEWER),
    "change gallery": ("patch", "/api/v1/galleries/staff", {"name": "X"}, Role.OWNER),
    "delete gallery": ("delete", "/api/v1/galleries/staff", None, Role.OWNER),
    "person": ("get", "/api/v1/identities/{identity}", None, Role.VIEWER),
    "add person": ("post", "/api/v1/identities", {"gallery": "staff", "name": "X"}, Role.CURATOR),
    "change person": ("patch", "/api/v1/identities/{identity}", {"name": "X"}, Role.CURATOR),
    "delete person": ("delete", "/api/v1/identities/{identity}", None, Role.CURATOR),
    "samples": ("get", "/api/v1/identities/{identity}/samples", None, Role.VIEWER),
    "enrol": ("post", "/api/v1/identities/{identity}/samples", {"photos": ["{photo}"]}, Role.CURATOR),
    "sample": ("get", "/api/v1/samples/{sample}", None, Role.VIEWER),
    "crop": ("get", "/api/v1/samples/{sample}/crop.jpg", None, Role.VIEWER),
    "delete sample": ("delete", "/api/v1/samples/{sample}", None, Role.CURATOR),
    "recognise": ("post", "/api/v1/recognitions", {"gallery": "staff", "photo": "{photo}"}, Role.VIEWER),
}


@pytest.fixture
def places(gallery, living_worker, hopper) -> dict:
    sample = SampleFactory(identity=IdentityFactory(gallery=gallery, name="Before"))
    return {"identity": sample.identity_id, "sample": sample.pk, "photo": base64.b64encode(hopper).decode()}


def call(client, name: str, places: dict):
    method, address, body, _ = CALLS[name]
    if body and "photos" in body:
        body = {"photos": [places["photo"]]}
    elif body and "photo" in body:
        body = body | {"photo": places["photo"]}
    return getattr(client, method)(address.format(**places), body, format="json", **NOW)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("role", [None, *Role])
def test_each_call_needs_its_role(name, role, gallery, places):
    client = client_of(stranger() if role is None else member(gallery, role))
    before = state()
    response = call(client, name, places)
    if role is not None and role >= CALLS[name][3]:
        assert response.status_code < 300, response.content
    else:
        problem(response, *((403, "not_allowed") if role else (404, "not_found")))
        assert state() == before


@pytest.mark.parametrize("name", CALLS)
def test_nobody_without_signing_in(name, places):
    before = state()
    problem(call(APIClient(), name, places), 401, "not_authenticated")
    assert state() == before


SCOPE_OF = {"get": Scope.READ, "recognise": Scope.RECOGNIZE, "gallery": Scope.MANAGE}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("scope", list(Scope))
def test_each_call_needs_its_scope(name, scope, gallery, places):
    owner = member(gallery, Role.OWNER)
    _, key = create_api_key(actor=system_actor(), user=owner.user, gallery=gallery, scopes=[scope])
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")
    method = CALLS[name][0]
    needed = (
        Scope.READ if method == "get" else SCOPE_OF.get(name) or (Scope.MANAGE if "gallery" in name else Scope.ENROL)
    )
    before = state()
    response = call(client, name, places)
    if scope == needed:
        assert response.status_code < 300, response.content
    else:
        problem(response, 403, "scope_missing")
        assert state() == before


def test_a_key_is_kept_as_a_hash_and_ends(gallery, viewer):
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


def test_a_key_for_one_gallery_makes_no_other(db):
    gallery = GalleryFactory()
    user = member(gallery, Role.OWNER).user
    user.is_staff = True
    user.save()
    _, key = create_api_key(actor=system_actor(), user=user, gallery=gallery, scopes=["manage"])
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")
    assert client.post("/api/v1/galleries", {"name": "Other"}, format="json").json()["code"] == "not_allowed"
    assert list(Gallery.objects.all()) == [gallery]
