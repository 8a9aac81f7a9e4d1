import pytest
from api_client import client_of, problem
from factories import GalleryFactory, IdentityFactory, member, stranger
from rest_framework.test import APIClient

from accounts.models import AuditEvent
from accounts.roles import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.fixture
def viewer(gallery) -> APIClient:
    return client_of(member(gallery, Role.VIEWER))


@pytest.fixture
def curator(gallery) -> APIClient:
    return client_of(member(gallery, Role.CURATOR))


def test_a_curator_adds_changes_and_deletes_a_person(curator, gallery):
    body = {"gallery": "staff", "name": "Zoë", "department": "R&D", "metadata": {"floor": 3}}
    made = curator.post("/api/v1/identities", body, format="json")
    assert (made.status_code, made.json()["metadata"], made.json()["portrait"]) == (201, {"floor": 3}, None)
    address = f"/api/v1/identities/{made.json()['id']}"
    changed = curator.patch(address, {"name": "Zoé", "active": False}, format="json")
    assert (changed.json()["name"], changed.json()["active"], changed.json()["department"]) == ("Zoé", False, "R&D")
    assert curator.delete(address).status_code == 204
    problem(curator.get(address), 404, "not_found")
    actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["identity.created", "identity.changed", "identity.deleted"]


def test_an_external_id_is_taken_once_a_gallery(curator, gallery):
    IdentityFactory(gallery=gallery, external_id="7")
    body = {"gallery": "staff", "name": "Second", "external_id": "7"}
    problem(curator.post("/api/v1/identities", body, format="json"), 409, "conflict")
    problem(curator.post("/api/v1/identities", {"gallery": "staff", "name": "  "}, format="json"), 400, "invalid_input")


def test_lists_are_paged_and_filtered(viewer, gallery, django_assert_max_num_queries):
    for n in range(7):
        IdentityFactory(gallery=gallery, name=f"Person {n}", active=n != 3)
    IdentityFactory(name="Somebody elsewhere")
    with django_assert_max_num_queries(6):
        page = viewer.get("/api/v1/identities?limit=3").json()
    names = [row["name"] for row in page["results"]]
    while page["next"]:
        page = viewer.get(page["next"]).json()
        names += [row["name"] for row in page["results"]]
    assert sorted(names) == [f"Person {n}" for n in range(7)]
    assert [row["name"] for row in viewer.get("/api/v1/identities?active=false").json()["results"]] == ["Person 3"]
    assert len(viewer.get("/api/v1/identities?search=son 5&gallery=staff").json()["results"]) == 1
    for limit in ("0", "101", "x", "-1"):
        problem(viewer.get(f"/api/v1/identities?limit={limit}"), 400, "invalid_input")


def test_galleries_are_made_by_staff_and_changed_by_owners(gallery):
    staff = client_of(stranger())
    problem(staff.post("/api/v1/galleries", {"name": "New"}, format="json"), 403, "not_allowed")
    owner = member(gallery, Role.OWNER)
    changed = client_of(owner).patch(
        "/api/v1/galleries/staff", {"threshold_source": "manual", "threshold_distance": 0.4}, format="json"
    )
    assert changed.json()["threshold_distance"] == 0.4
    bad = client_of(owner).patch("/api/v1/galleries/staff", {"threshold_distance": None}, format="json")
    problem(bad, 400, "invalid_input")
    owner.user.is_staff = True
    owner.user.save()
    made = client_of(owner).post("/api/v1/galleries", {"name": "Front Door"}, format="json")
    assert (made.status_code, made.json()["slug"]) == (201, "front-door")
    assert {g["slug"] for g in client_of(owner).get("/api/v1/galleries").json()["results"]} == {"staff", "front-door"}


def test_what_the_database_cannot_store_is_the_callers_mistake(curator, gallery):
    problem(curator.get("/api/v1/identities?search=%00"), 400, "invalid_input")
    body = {"gallery": "staff", "name": "Ada", "metadata": {"note": "a\0b"}}
    problem(curator.post("/api/v1/identities", body, format="json"), 400, "invalid_input")
    assert curator.get("/galleries/staff/?q=%00").status_code == 400
    assert gallery.identities.count() == 0
