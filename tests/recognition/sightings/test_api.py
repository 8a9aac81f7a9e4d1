"""Sightings and unknown people over REST: filters, pages, answers. Who may: tests/accounts/test_access_table.py."""

import uuid

import pytest
from api_client import client_of, problem
from factories import CameraFactory, GalleryFactory, IdentityFactory, SampleFactory, member, unit
from seen import camera_of, near, sight

from accounts.models import Look
from accounts.roles import Role
from gallery.curation.services import merge_identities
from recognition.cameras.models import Sighting, UnknownPerson

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff", threshold_source="manual", threshold_distance=0.6)


@pytest.fixture
def curator(gallery):
    return member(gallery, Role.CURATOR)


@pytest.fixture
def api(curator):
    return client_of(curator)


def post(api, path: str, status: int = 200, **body):
    answer = api.post(f"/api/v1/{path}", body, format="json")
    assert answer.status_code == status, answer.content
    return answer.json() if answer.content else None


def listed(api, query: str = "", path: str = "sightings") -> list[dict]:
    rows, address = [], f"/api/v1/{path}?limit=2&{query}"
    while address:
        answer = api.get(address).json()
        rows += answer["results"]
        address = answer["next"]
    return rows


def test_sightings_are_listed_newest_first_and_filtered(api, gallery, curator, django_assert_max_num_queries):
    ada, double = IdentityFactory.create_batch(2, gallery=gallery)
    door, back = camera_of(gallery), CameraFactory(gallery=gallery, slug="back")
    seen = [
        sight(gallery, unit(0), identity=ada, camera=door),
        sight(gallery, unit(0), identity=double, camera=back, later=60),
        sight(gallery, unit(5), camera=back, later=120),
        sight(gallery, unit(5), camera=back, later=180),
        sight(gallery, unit(5), decision="unusable", reason="low_quality", camera=door, later=240),
    ]
    sight(GalleryFactory(), unit(0))
    merge_identities(actor=curator, into=ada, others=[double])
    newest_first = [str(row.pk) for row in reversed(seen)]
    assert [row["id"] for row in listed(api)] == newest_first
    for query, places in (
        ("gallery=staff&decision=unusable", [0]),
        ("camera=back", [1, 2, 3]),
        (f"identity={ada.pk}", [3, 4]),
        (f"unknown={seen[2].unknown_id}", [1, 2]),
        (f"after={seen[2].last_seen.isoformat().replace('+', '%2B')}", [0, 1]),
        (f"before={seen[1].first_seen.isoformat().replace('+', '%2B')}", [4]),
    ):
        assert [row["id"] for row in listed(api, query)] == [newest_first[place] for place in places], query
    problem(api.get("/api/v1/sightings?decision=perhaps"), 400, "invalid_input")
    with django_assert_max_num_queries(8):
        rows = api.get("/api/v1/sightings?limit=100").json()["results"]
    assert rows[3]["identity"]["id"] == str(ada.pk)  # merged into her
    assert rows[0]["reason"] == "low_quality" and rows[1]["unknown"]["number"] == 1


def test_a_sighting_with_its_pictures(api, gallery):
    sighting = sight(gallery, unit(0), faces=2)
    body = api.get(f"/api/v1/sightings/{sighting.pk}").json()
    assert body["camera"]["slug"] == sighting.camera.slug and [face["rank"] for face in body["faces"]] == [0, 1]
    for face, row in zip(body["faces"], sighting.faces.all(), strict=True):
        picture = api.get(face["jpeg"])
        assert picture["Content-Type"] == "image/jpeg" and picture.content == bytes(row.jpeg)
    assert api.get(f"/api/v1/sightings/{sighting.pk}/crop.jpg").content == bytes(sighting.faces.first().jpeg)
    problem(api.get(f"/api/v1/sightings/{sighting.pk}/faces/2"), 404, "not_found")
    problem(api.get(f"/api/v1/sightings/{uuid.uuid4()}"), 404, "not_found")
    assert Look.objects.get(object_id=str(sighting.pk)).count == 4


def test_corrections_answer_with_the_sighting_as_it_is_now(api, gallery, curator):
    elsewhere = IdentityFactory()
    ada = SampleFactory(identity__gallery=gallery, identity__name="Ada", vector=unit(0)).identity
    sighting = sight(gallery, near(unit(0), 0.3), identity=ada)
    confirmed = post(api, f"sightings/{sighting.pk}/confirm")["sighting"]
    assert confirmed["named_by"] == curator.name and confirmed["identity"]["name"] == "Ada"
    rejected = post(api, f"sightings/{sighting.pk}/reject", identity=str(ada.pk))
    assert rejected["sighting"]["identity"] is None and rejected["sighting"]["unknown"]["number"] == 1
    post(api, f"sightings/{sighting.pk}/reject", 409, identity=str(ada.pk))
    post(api, f"sightings/{sighting.pk}/name", 400)
    post(api, f"sightings/{sighting.pk}/name", 404, identity=str(elsewhere.pk))
    named = post(api, f"sightings/{sighting.pk}/name", name="Ben", enrol=True)
    assert named["sighting"]["identity"]["name"] == "Ben" and named["refused"] == []
    for event in (named["event"], rejected["event"]):
        post(api, f"undo/{event}")
    assert Sighting.objects.get().identity == ada


def test_unknown_people_are_read_named_merged_split_and_ignored(api, gallery):
    first, second = sight(gallery, unit(0)), sight(gallery, unit(0), later=60)
    other = sight(gallery, unit(5), later=120)
    assert [(row["number"], row["sightings"]) for row in listed(api, "state=open", "unknowns")] == [(2, 1), (1, 2)]
    split = post(api, f"unknowns/{first.unknown_id}/split", sightings=[str(second.pk)])
    assert split["unknown"]["number"] == 3
    merged = post(api, f"unknowns/{first.unknown_id}/merge", others=[split["unknown"]["id"], str(other.unknown_id)])
    assert merged["unknown"]["sightings"] == 3
    gone = api.get(f"/api/v1/unknowns/{other.unknown_id}").json()
    assert gone["merged_into"]["number"] == 1 and gone["sightings"] == 0
    assert post(api, f"unknowns/{first.unknown_id}/ignore")["unknown"]["ignored"]
    assert listed(api, "state=open", "unknowns") == [] and len(listed(api, "state=ignored", "unknowns")) == 1
    post(api, f"unknowns/{first.unknown_id}/ignore", ignored=False)
    face = api.get(f"/api/v1/unknowns/{first.unknown_id}").json()["face"]
    assert api.get(face).status_code == 200
    ada = IdentityFactory(gallery=gallery)
    assert post(api, f"unknowns/{first.unknown_id}/deny", identity=str(ada.pk))["may_be"] == []
    named = post(api, f"unknowns/{first.unknown_id}/name", identity=str(ada.pk), without=[str(other.pk)], faces=[])
    assert named["identity"]["id"] == str(ada.pk) and named["enrolled"] == []
    post(api, f"unknowns/{first.unknown_id}/name", 409, name="Ben")
    assert Sighting.objects.filter(identity=ada).count() == 2
    assert [row["number"] for row in listed(api, "state=named", "unknowns")] == [1]
    post(api, f"undo/{named['event']}")
    assert UnknownPerson.objects.get(number=1).sightings_count == 3
    post(api, "galleries/staff/unknowns/merge", 202)
