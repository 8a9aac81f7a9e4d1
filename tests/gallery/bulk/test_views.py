"""Acts on the ticked people, and on all who match the filters, from the page of people."""

import csv
import io

import pytest
from django.contrib.auth import get_user
from factories import GalleryFactory, IdentityFactory, SampleFactory, member

from accounts.models import AuditEvent, Membership
from accounts.roles import Role
from gallery.models import Identity

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.fixture
def curator(client, gallery):
    client.force_login(member(gallery, Role.CURATOR).user)
    return client


def people(gallery, count: int, **fields) -> list[Identity]:
    return [IdentityFactory(gallery=gallery, name=f"Person {n:03}", **fields) for n in range(count)]


def do(client, act: str, **values) -> str:
    """The page that follows."""
    return client.post(f"/galleries/staff/people/many/{act}", values, follow=True).content.decode()


def test_fifty_people_are_set_inactive_and_back_by_one_undo(curator, gallery):
    rows = people(gallery, 50)
    page = do(curator, "inactive", people=[row.pk for row in rows])
    assert "50 people are not active now." in page and page.count(" Undo</button>") == 1
    assert not gallery.identities.filter(active=True).exists()
    curator.post(f"/undo/{AuditEvent.objects.get().pk}")
    assert gallery.identities.filter(active=True).count() == 50


def test_consent_for_all_who_match_sends_the_filter_not_ids(curator, gallery):
    people(gallery, 41, department="Navy")
    IdentityFactory(gallery=gallery, name="Elsewhere", department="Radar")
    page = curator.get("/galleries/staff/?department=Navy").content.decode()
    assert "Select all 41 that match" in page and 'name="filter" value="department=Navy"' in page
    values = {"all": "on", "filter": "department=Navy", "consent": "given", "consent_by": "works council"}
    assert "say who gave it" in do(curator, "consent", **values)
    assert not gallery.identities.filter(consent="given").exists()
    page = do(curator, "consent", **values, consent_at="2026-01-31", consent_until="2027-01-31")
    assert "41 people are noted with the consent “given”." in page
    assert gallery.identities.filter(consent="given", consent_by="works council").count() == 41
    assert AuditEvent.objects.get().details["people"] == 41


def test_each_other_act(curator, gallery):
    ada, ben = people(gallery, 2)
    SampleFactory(identity=ben)
    both = [ada.pk, ben.pk]
    assert "2 people are in the department Ümläut now." in do(curator, "department", people=both, department=" Ümläut ")
    assert "Person 000 is hidden now." in do(curator, "hide", people=[ada.pk])
    assert "Person 000 is shown now. 1 was so already." in do(curator, "show", people=both)
    assert "Nothing was changed. 2 were so already." in do(curator, "active", people=both)
    assert "1 entry is merged into Person 001." in do(curator, "merge", people=both, into=ben.pk)
    page = do(curator, "delete", people=both)
    assert "Person 001 is deleted. 1 had been deleted or merged in the meantime, and was left out." in page
    assert not gallery.identities.exists()


def test_what_cannot_be_done_is_said_and_changes_nothing(curator, gallery):
    [ada] = people(gallery, 1)
    before = list(Identity.with_deleted.values())
    for act, values, told in (
        ("inactive", {}, "Tick one or more people first."),
        ("inactive", {"people": ["x", ""]}, "Tick one or more people first."),
        ("merge", {"people": [ada.pk]}, "two or more"),
        ("department", {"people": [ada.pk], "department": "x" * 101}, "at most 100 characters"),
        ("consent", {"people": [ada.pk], "consent": "no such answer"}, "Select a valid choice"),
        ("delete", {"people": ["01a20b77-0000-7000-8000-000000000000"]}, "Nothing was changed. 1 had been deleted"),
    ):
        assert told in do(curator, act, **values), act
    assert list(Identity.with_deleted.values()) == before
    assert not AuditEvent.objects.exists()


def test_the_table_of_the_ticked(curator, gallery):
    ada, _ = people(gallery, 2, department="=1+1")
    SampleFactory(identity=ada)
    answer = curator.post("/galleries/staff/people/many/export", {"people": [ada.pk]})
    assert answer["Content-Disposition"] == 'attachment; filename="people-staff.csv"'
    [row] = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode()))
    assert (row["name"], row["department"], row["active"], row["faces"]) == ("Person 000", "'=1+1", "yes", "1")
    assert not AuditEvent.objects.exists()


def test_after_an_act_the_same_list_is_shown_and_no_other_site(curator, gallery):
    [ada] = people(gallery, 1)
    list_of_all = "/galleries/staff/"
    for back, shown in (
        (f"{list_of_all}?sort=new&page=2", f"{list_of_all}?sort=new&page=2"),
        ("https://elsewhere.example/", list_of_all),
        ("", list_of_all),
    ):
        answer = curator.post("/galleries/staff/people/many/hide", {"people": [ada.pk], "back": back})
        assert answer["Location"] == shown


def test_people_move_to_a_gallery_that_is_asked_for(curator, gallery):
    to = GalleryFactory(slug="visitors", name="Visitors")
    hidden = GalleryFactory(slug="secret", name="Secret")
    people(gallery, 3)
    answer = curator.post("/galleries/staff/people/many/move", {"all": "on", "filter": "q=Person"})
    assert "There is no other gallery of which you are a curator." in answer.content.decode()
    Membership.objects.create(user=get_user(curator), gallery=to, role=Role.CURATOR)
    page = curator.post("/galleries/staff/people/many/move", {"all": "on", "filter": "q=Person"}).content.decode()
    assert "Move 3 people" in page and "Visitors" in page and "Secret" not in page
    assert 'name="all" value="on"' in page and 'name="filter" value="q=Person"' in page
    assert "Choose one of the galleries" in do(curator, "move", all="on", to=hidden.slug)
    assert "3 people are in the gallery Visitors now." in do(curator, "move", all="on", filter="q=Person", to=to.slug)
    assert (gallery.identities.filter(deleted_at=None).count(), to.identities.count()) == (0, 3)
