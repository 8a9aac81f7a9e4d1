"""The page of people: filters, orders, letters and pages, all in the address; and ten thousand people."""

from datetime import timedelta
from time import perf_counter

import pytest
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, member

from accounts.roles import Role
from gallery.models import Identity

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    """Ada has two faces, the others one or none; Ben was seen today, Çelik last week."""
    gallery = GalleryFactory(slug="staff")
    now = timezone.now()
    for name, department, seen, faces in (
        ("Ada", "Navy", None, 2),
        ("Ben", "Navy", now, 1),
        ("Çelik", "", now - timedelta(days=5), 1),
        ("Ωmega", "Radar", now - timedelta(days=90), 0),
    ):
        person = IdentityFactory(gallery=gallery, name=name, department=department, last_recognized_at=seen)
        for _ in range(faces):
            SampleFactory(identity=person)
    return gallery


@pytest.fixture
def viewer(client, gallery):
    client.force_login(member(gallery, Role.VIEWER).user)
    return client


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "Ada Ben Çelik Ωmega"),
        ("department=Navy", "Ada Ben"),
        ("seen=0", "Ben"),
        ("seen=7", "Ben Çelik"),
        ("seen=30", "Ben Çelik"),
        ("seen=never", "Ada"),
        ("faces=few", "Ben Çelik Ωmega"),
        ("consent=missing", "Ada Ben Çelik Ωmega"),
        ("consent=valid", ""),
        ("letter=C", "Çelik"),
        ("letter=Ω", "Ωmega"),
        ("letter=%25", ""),
        ("sort=seen", "Ben Çelik Ωmega Ada"),
        ("sort=new", "Ωmega Çelik Ben Ada"),
        ("sort=faces", "Ada Ben Çelik Ωmega"),
        ("department=Navy&seen=0&faces=few&sort=seen&view=table&size=240", "Ben"),
        ("sort=x&seen=x&consent=x&faces=x&view=x&size=7&state=x", "Ada Ben Çelik Ωmega"),
    ],
)
def test_filters_and_orders(viewer, query, found):
    answer = viewer.get(f"/galleries/staff/?{query}")
    assert [person.name for person in answer.context["page"]] == found.split()
    page = answer.content.decode()
    assert ("4 people, 4 faces" in page) or (f"{len(found.split())} of 4 people" in page)


def test_what_is_in_force_can_be_taken_away_and_letters_are_those_there_are(viewer):
    page = viewer.get("/galleries/staff/?department=Navy&seen=0&sort=seen").content.decode()
    assert 'href="?seen=0&amp;sort=seen" aria-label="Without the filter Navy"' in page
    assert 'href="?sort=seen">Clear filters' in page
    answer = viewer.get("/galleries/staff/?sort=seen")
    assert [letter["text"] for letter in answer.context["filter"].letters()] == ["A", "B", "C", "Ω"]


def test_namesakes_are_told_apart(viewer, gallery):
    IdentityFactory(gallery=gallery, name="Ada", external_id="17")
    page = viewer.get("/galleries/staff/").content.decode()
    assert page.count('class="apart"') == 2
    assert '<small class="apart"><bdi>Navy' in page and '<small class="apart"><bdi>17' in page


@pytest.mark.parametrize("view", ["grid", "table"])
def test_ten_thousand_people(client, gallery, django_assert_max_num_queries, view):
    client.force_login(member(gallery, Role.CURATOR).user)
    Identity.objects.bulk_create(
        Identity(gallery=gallery, name=f"{chr(65 + n % 26)}person {n:05}", department=f"D{n % 12}")
        for n in range(9_996)
    )
    client.get("/galleries/staff/")
    with django_assert_max_num_queries(12):
        answer = client.get(f"/galleries/staff/?view={view}&page=12")
    page = answer.content.decode()
    assert 'value="12"' in page and "of 167" in page and "Select all 10000 that match" in page
    assert page.count('name="people"') == 60 and len(answer.content) < 150_000
    began = perf_counter()
    answer = client.get(f"/galleries/staff/?view={view}&q=person+07777&sort=faces")
    assert [person.name[1:] for person in answer.context["page"]] == ["person 07777"]
    assert perf_counter() - began < 10


def test_a_viewer_ticks_nobody(viewer):
    page = viewer.get("/galleries/staff/").content.decode()
    assert 'name="people"' not in page and "Set inactive" not in page and "people.js" not in page
