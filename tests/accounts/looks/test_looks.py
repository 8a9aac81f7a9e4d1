"""Looking is written down: what counts, how it is grouped, who sees it, and that an erasure and the retention delete it."""

from datetime import timedelta

import pytest
from api_client import client_of, problem
from django.db import connection, transaction
from django.utils import timezone
from factories import PASSWORD, GalleryFactory, IdentityFactory, SampleFactory, UserFactory, member, stranger
from subjects import erase, tables_with

from accounts.actor import system_actor
from accounts.looks.tasks import delete_old_looks
from accounts.looks.writing import Seen, note
from accounts.models import Look
from accounts.roles import Role
from recognition.photos.models import RecognitionRequest

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.fixture
def ada(gallery):
    person = IdentityFactory(gallery=gallery, name="Ada")
    SampleFactory(identity=person)
    return person


def found(**lookup) -> list[tuple]:
    return list(Look.objects.filter(**lookup).order_by("id").values_list("kind", "object_id", "count"))


def test_what_counts_over_rest(gallery, ada):
    viewer = member(gallery, Role.VIEWER)
    client, sample = client_of(viewer), ada.samples.get()
    row = RecognitionRequest.objects.create(
        gallery=gallery, requested_by=viewer.user, status="done", pack="dlib-resnet", finished_at=timezone.now()
    )
    for address, look in (
        (f"identities/{ada.pk}", ("person", str(ada.pk), 1)),
        (f"identities/{ada.pk}/samples", ("person", str(ada.pk), 2)),
        (f"samples/{sample.pk}/crop.jpg", ("picture", str(ada.pk), 1)),
        (f"samples/{sample.pk}", ("picture", str(ada.pk), 2)),
        ("identities?gallery=staff", ("people", "", 1)),
        (f"recognitions/{row.pk}", ("recognition", str(row.pk), 1)),
        ("recognitions?gallery=staff", ("recognitions", "", 1)),
    ):
        before = sum(count for *_, count in found())
        assert client.get(f"/api/v1/{address}").status_code == 200
        assert sum(count for *_, count in found()) == before + 1
        assert look in found(user=viewer.user, gallery_id=gallery.pk), address
    unchanged = client.get(f"/api/v1/identities/{ada.pk}")["ETag"]
    assert client.get(f"/api/v1/identities/{ada.pk}", HTTP_IF_NONE_MATCH=unchanged).status_code == 304
    assert ("person", str(ada.pk), 4) in found()


def test_what_does_not_count(gallery, ada):
    client = client_of(member(gallery, Role.CURATOR))
    problem(client_of(stranger()).get(f"/api/v1/identities/{ada.pk}"), 404, "not_found")
    client.get("/api/v1/galleries/staff")
    client.patch(f"/api/v1/identities/{ada.pk}", {"department": "x"}, format="json")
    assert found() == []


def test_a_page_is_one_look_and_its_pictures_are_none(client, gallery, ada):
    client.force_login(member(gallery, Role.VIEWER).user)
    picture = f"/api/v1/samples/{ada.samples.get().pk}/crop.jpg"
    assert client.get(f"/galleries/staff/people/{ada.pk}/").status_code == 200
    assert client.get("/galleries/staff/").status_code == 200
    assert client.get(picture, headers={"Sec-Fetch-Dest": "image"}).status_code == 200
    assert client.get(picture, headers={"Referer": "http://testserver/galleries/staff/"}).status_code == 200
    assert found() == [("person", str(ada.pk), 1), ("people", "", 1)]
    for headers in ({}, {"Sec-Fetch-Dest": "document"}, {"Referer": "http://elsewhere/"}):
        assert client.get(picture, headers=headers).status_code == 200
    assert found(kind="picture") == [("picture", str(ada.pk), 3)]


def test_a_row_for_each_actor_and_hour(gallery, ada):
    clients = [client_of(member(gallery, Role.VIEWER)) for _ in range(2)]
    for client in clients * 3:
        client.get(f"/api/v1/identities/{ada.pk}")
    assert [count for *_, count in found()] == [3, 3]
    Look.objects.update(hour=timezone.now() - timedelta(hours=2))
    clients[0].get(f"/api/v1/identities/{ada.pk}")
    assert [count for *_, count in found()] == [3, 3, 1]


def durability() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_a_look_alone_does_not_wait_for_the_disk(gallery):
    look = Seen(Look.Kind.PEOPLE, gallery)
    for count in (1, 2):  # a new row, and one that is counted
        with transaction.atomic():
            assert durability() == "on"
            note(system_actor(), look)
            assert durability() == "off", "so is its commit"
        assert durability() == "on", "what comes after it waits as before"
        assert found() == [("people", "", count)]


def test_sign_ins_right_and_wrong(client):
    user = UserFactory(username="ann")
    for name, password in (("ann", "wrong"), ("ann", "wrong"), ("nobody-of-this-name", "wrong"), ("ann", PASSWORD)):
        client.post("/sign-in", {"username": name, "password": password})
    rows = Look.objects.order_by("id").values_list("kind", "user", "user_name", "count")
    assert list(rows) == [
        ("sign_in_failed", user.pk, "ann", 2), ("sign_in_failed", None, "", 1), ("sign_in", user.pk, "ann", 1),
    ]  # fmt: skip
    assert tables_with("nobody-of-this-name") == []


def test_refusals_are_on_the_audit_page(client, gallery, ada):
    viewer = member(gallery, Role.VIEWER)
    problem(client_of(viewer).delete(f"/api/v1/identities/{ada.pk}"), 403, "not_allowed")
    [(kind, operation, count)] = found()
    assert (
        (kind, count) == ("refused", 1)
        and operation.startswith("DELETE /api/v1/identities/")
        and str(ada.pk) not in operation
    )
    client.force_login(viewer.user)
    assert client.get("/galleries/staff/privacy").status_code == 403
    assert operation.encode() not in client.get("/audit").content
    client.force_login(UserFactory(is_superuser=True))
    page = client.get("/audit?show=access").content.decode()
    assert "Refused" in page and viewer.name in page and "DELETE" in page
    client.force_login(stranger().user)
    assert viewer.name not in client.get("/audit?show=access").content.decode()


def test_who_looked_is_for_owners(client, gallery, ada):
    viewer, owner = member(gallery, Role.VIEWER), member(gallery, Role.OWNER)
    client_of(viewer).get(f"/api/v1/identities/{ada.pk}")
    address = f"/api/v1/identities/{ada.pk}/views"
    [look] = client_of(owner).get(address).json()["results"]
    assert (look["kind"], look["user_name"], look["count"]) == ("person", viewer.name, 1)
    problem(client_of(member(gallery, Role.CURATOR)).get(address), 403, "not_allowed")
    problem(client_of(stranger()).get(address), 404, "not_found")
    for actor, status in ((owner, 200), (member(gallery, Role.CURATOR), 403), (stranger(), 404)):
        client.force_login(actor.user)
        page = client.get(f"/galleries/staff/people/{ada.pk}/looks")
        assert (page.status_code, viewer.name in page.content.decode()) == (status, status == 200)


def test_an_erasure_deletes_the_looks_at_the_person(gallery, ada, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    ben = IdentityFactory(gallery=gallery, name="Ben")
    client = client_of(member(gallery, Role.VIEWER))
    for person in (ada, ben):
        client.get(f"/api/v1/identities/{person.pk}")
    assert erase(ada).counts["accounts_look"] == 1
    assert found() == [("person", str(ben.pk), 1)]


def test_old_looks_are_deleted(gallery, ada, settings):
    client_of(member(gallery, Role.VIEWER)).get(f"/api/v1/identities/{ada.pk}")
    settings.LOOK_RETENTION_DAYS = 7
    Look.objects.update(hour=timezone.now() - timedelta(days=6))
    delete_old_looks()
    assert len(found()) == 1
    Look.objects.update(hour=timezone.now() - timedelta(days=8))
    delete_old_looks()
    assert found() == []
