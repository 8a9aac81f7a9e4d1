from datetime import timedelta

import pytest
from api_client import client_of, problem
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, stranger
from rest_framework.test import APIClient

from accounts.models import AuditEvent
from accounts.roles import Role
from gallery.models import FaceSample, Gallery, Identity
from gallery.services import note_recognized

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
    created = curator.post("/api/v1/identities", body, format="json")
    assert (created.status_code, created.json()["metadata"], created.json()["portrait"]) == (201, {"floor": 3}, None)
    address = f"/api/v1/identities/{created.json()['id']}"
    changed = curator.patch(address, {"name": "Zoé", "active": False}, format="json")
    assert (changed.json()["name"], changed.json()["active"], changed.json()["department"]) == ("Zoé", False, "R&D")
    assert curator.delete(address).status_code == 204
    problem(curator.get(address), 404, "not_found")
    actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["identity.created", "identity.changed", "identity.deleted"]


def test_an_external_id_is_unique_in_a_gallery(curator, gallery):
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


def test_galleries_are_created_by_staff_and_changed_by_owners(gallery):
    staff = client_of(stranger())
    problem(staff.post("/api/v1/galleries", {"name": "New"}, format="json"), 403, "not_allowed")
    owner = member(gallery, Role.OWNER)
    changed = client_of(owner).patch(
        "/api/v1/galleries/staff", {"threshold_source": "manual", "threshold_distance": 0.4}, format="json"
    )
    assert changed.json()["threshold_distance"] == 0.4
    day = {"time_zone": "Europe/Berlin", "day_starts_at": "05:30:00"}
    answer = client_of(owner).patch("/api/v1/galleries/staff", day, format="json").json()
    assert {name: answer[name] for name in day} == day
    bad = client_of(owner).patch("/api/v1/galleries/staff", {"threshold_distance": None}, format="json")
    problem(bad, 400, "invalid_input")
    owner.user.is_staff = True
    owner.user.save()
    created = client_of(owner).post("/api/v1/galleries", {"name": "Front Door"}, format="json")
    assert (created.status_code, created.json()["slug"]) == (201, "front-door")
    assert {g["slug"] for g in client_of(owner).get("/api/v1/galleries").json()["results"]} == {"staff", "front-door"}


def test_text_the_database_cannot_store_is_refused(curator, gallery):
    problem(curator.get("/api/v1/identities?search=%00"), 400, "invalid_input")
    body = {"gallery": "staff", "name": "Ada", "metadata": {"note": "a\0b"}}
    problem(curator.post("/api/v1/identities", body, format="json"), 400, "invalid_input")
    assert curator.get("/galleries/staff/?q=%00").status_code == 200  # what a filter cannot read is no filter
    assert gallery.identities.count() == 0


@pytest.fixture
def people(gallery):
    ann, anne = (IdentityFactory(gallery=gallery, name=name) for name in ("Ann", "Anne"))
    for person in (ann, anne):
        SampleFactory(identity=person)
        SampleFactory(identity=person)
    return ann, anne


def post(client, address: str, body: dict | None = None):
    return client.post(f"/api/v1/{address}", body or {}, format="json")


def test_merge_split_move_reject_and_undo(curator, people):
    ann, anne = people
    merged = post(curator, f"identities/{ann.pk}/merge", {"others": [str(anne.pk)]})
    assert merged.status_code == 200 and merged.json()["identity"]["sample_count"] == 4
    problem(curator.get(f"/api/v1/identities/{anne.pk}"), 404, "not_found")
    undone = post(curator, f"undo/{merged.json()['event']}")
    assert undone.status_code == 200 and Identity.objects.count() == 2
    sample = ann.samples.first()
    split = post(curator, f"identities/{ann.pk}/split", {"samples": [str(sample.pk)], "name": "Berta"})
    assert split.json()["identity"]["name"] == "Berta"
    moved = curator.patch(f"/api/v1/samples/{sample.pk}", {"identity": str(anne.pk)}, format="json")
    assert moved.json()["identity"] == str(anne.pk)
    assert post(curator, f"samples/{sample.pk}/reject").status_code == 200
    assert curator.get(f"/api/v1/samples/{sample.pk}").json()["rejected"] is True
    events = curator.get("/api/v1/audit-events?limit=2").json()["results"]
    assert [(event["action"], event["can_be_undone"]) for event in events] == [
        ("sample.rejected", True),
        ("sample.moved", True),
    ]
    problem(post(curator, f"undo/{split.json()['event']}"), 409, "edited_meanwhile")


def test_the_etag_covers_all_that_is_answered(curator, people):
    address = f"/api/v1/identities/{people[0].pk}"
    tags = [curator.get(address)["ETag"]]
    for change in (
        lambda: SampleFactory(identity=people[0], quality_score=0.1),
        lambda: SampleFactory(identity=people[0], quality_score=0.99),  # the new portrait
        lambda: people[0].samples.order_by("quality_score").first().delete(),
        lambda: note_recognized(identity_ids=[people[0].pk], at=timezone.now()),
        lambda: Gallery.objects.update(slug="renamed"),
    ):
        change()
        answer = curator.get(address, HTTP_IF_NONE_MATCH=", ".join(tags))
        assert answer.status_code == 200
        tags.append(answer["ETag"])
    assert len(set(tags)) == len(tags)
    for header in (tags[-1], f"W/{tags[-1]}", ", ".join(tags), "*"):
        assert curator.get(address, HTTP_IF_NONE_MATCH=header).status_code == 304
    for header in ("", "nonsense", tags[-1][:-1], tags[-1].strip('"'), '"x"'):
        assert curator.get(address, HTTP_IF_NONE_MATCH=header).status_code == 200


def test_being_recognised_or_enrolled_meanwhile_does_not_stop_a_change(curator, people):
    address = f"/api/v1/identities/{people[0].pk}"
    tag = curator.get(address)["ETag"]
    note_recognized(identity_ids=[people[0].pk], at=timezone.now())
    SampleFactory(identity=people[0])
    changed = curator.patch(address, {"name": "Zoe"}, format="json", HTTP_IF_MATCH=tag)
    assert changed.status_code == 200
    before_the_hash = changed["ETag"].partition("_")[0] + '"'
    assert curator.patch(address, {"name": "Zoë"}, format="json", HTTP_IF_MATCH=before_the_hash).status_code == 200
    problem(curator.delete(address, HTTP_IF_MATCH=changed["ETag"]), 412, "edited_meanwhile")


def test_a_change_with_an_old_etag_is_refused(curator, people):
    address = f"/api/v1/identities/{people[0].pk}"
    tag = curator.get(address)["ETag"]
    changed = curator.patch(address, {"name": "Zoe"}, format="json", HTTP_IF_MATCH=tag)
    assert changed.status_code == 200 and changed["ETag"] != tag
    late = curator.patch(address, {"name": "Yes"}, format="json", HTTP_IF_MATCH=tag)
    problem(late, 412, "edited_meanwhile")
    problem(curator.delete(address, HTTP_IF_MATCH=tag), 412, "edited_meanwhile")
    assert curator.get(address, HTTP_IF_NONE_MATCH=changed["ETag"]).status_code == 304
    assert curator.get(address, HTTP_IF_NONE_MATCH=tag).status_code == 200
    problem(curator.patch(address, {"name": "Yes"}, format="json", HTTP_IF_MATCH="x"), 400, "invalid_input")
    assert curator.get(address).json()["name"] == "Zoe"


CURATION = {
    "merge": lambda a, b: ("post", f"identities/{a.pk}/merge", {"others": [str(b.pk)]}),
    "split": lambda a, b: ("post", f"identities/{a.pk}/split", {"samples": [str(a.samples.first().pk)], "name": "X"}),
    "move": lambda a, b: ("patch", f"samples/{a.samples.first().pk}", {"identity": str(b.pk)}),
    "reject": lambda a, b: ("post", f"samples/{a.samples.first().pk}/reject", {}),
}


@pytest.mark.parametrize("name", CURATION)
def test_viewers_and_strangers_may_not_curate(viewer, people, name):
    method, address, body = CURATION[name](*people)
    rows = list(FaceSample.objects.values())
    for client, status, code in ((viewer, 403, "not_allowed"), (client_of(stranger()), 404, "not_found")):
        problem(getattr(client, method)(f"/api/v1/{address}", body, format="json"), status, code)
    assert list(FaceSample.objects.values()) == rows and Identity.objects.count() == 2
    assert not AuditEvent.objects.exists()


def test_only_those_who_see_an_event_can_undo_it(curator, people):
    event = post(curator, f"identities/{people[0].pk}/merge", {"others": [str(people[1].pk)]}).json()["event"]
    for client in (client_of(member(people[0].gallery, Role.VIEWER)), client_of(stranger())):
        problem(post(client, f"undo/{event}"), 404, "not_found")
        assert client.get("/api/v1/audit-events").json()["results"] == []
    assert Identity.objects.count() == 1


def names(client, query: str) -> list[str]:
    return [row["name"] for row in client.get(f"/api/v1/identities?{query}").json()["results"]]


def test_lists_are_filtered_ordered_and_paged(curator):
    gallery = Gallery.objects.get(slug="staff")
    for name, department in (("Cleo", "Navy"), ("Ada", "Navy"), ("Ada", "Army"), ("Bob", "Navy")):
        IdentityFactory(gallery=gallery, name=name, department=department)
    assert names(curator, "") == ["Bob", "Ada", "Ada", "Cleo"]
    assert names(curator, "ordering=created_at&department=Navy") == ["Cleo", "Ada", "Bob"]
    assert names(curator, "ordering=-name&limit=2") == ["Cleo", "Bob"]
    page, seen = "/api/v1/identities?ordering=name&limit=1", []
    while page:
        body = curator.get(page).json()
        seen += [row["name"] for row in body["results"]]
        page = body["next"]
    assert seen == ["Ada", "Ada", "Bob", "Cleo"]
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat().replace("+", "%2B")
    assert names(curator, f"updated_after={tomorrow}") == []


@pytest.mark.parametrize(
    ("address", "parameter"),
    [
        ("identities?ordering=age", "ordering"),
        ("identities?active=maybe", "active"),
        ("identities?updated_after=soon", "updated_after"),
        ("identities?limit=0", "limit"),
        ("recognitions?status=lost", "status"),
        ("imports?status=lost", "status"),
        ("audit-events?after=x", "after"),
    ],
)
def test_an_invalid_parameter_is_named(curator, address, parameter):
    assert parameter in problem(curator.get(f"/api/v1/{address}"), 400, "invalid_input")["detail"]


def test_an_unacceptable_media_type(curator):
    problem(curator.get("/api/v1/me", HTTP_ACCEPT="text/html"), 406, "not_acceptable")
