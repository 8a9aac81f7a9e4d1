"""The search of the bar: what it finds, for whom, and when it leads straight to a person."""

import pytest
from django.utils import timezone, translation
from factories import GalleryFactory, IdentityFactory, member, stranger, unit
from seen import sight

from accounts.roles import Role
from recognition.cameras.models import UnknownPerson
from recognition.photos.models import RecognitionRequest

pytestmark = pytest.mark.django_db
FIND = "/galleries/staff/find"


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


def photo(gallery, name: str, by) -> RecognitionRequest:
    return RecognitionRequest.objects.create(
        gallery=gallery, pack=gallery.pack, status="done", finished_at=timezone.now(), photo_sha256="0" * 64,
        photo_name=name, requested_by=by,
    )  # fmt: skip


def found(client, query: str, **headers) -> tuple[list[str], list[str], list[str]]:
    rows = client.get(FIND, {"q": query}, **headers).context["found"]
    return (
        [row.name for row in rows.people],
        [str(row) for row in rows.unknown],
        [row.photo_name for row in rows.recognitions],
    )


def test_people_unknown_people_and_photos_are_found(client, gallery, django_assert_max_num_queries):
    curator = member(gallery, Role.CURATOR)
    client.force_login(curator.user)
    for name in ("Ada Lovelace", "Ada Yonath", "José Garcia 1"):
        IdentityFactory(gallery=gallery, name=name)
    IdentityFactory(name="Ada of another gallery")
    sight(gallery, unit(7))
    photo(gallery, "door-1.jpg", curator.user)
    assert found(client, "ada") == (["Ada Lovelace", "Ada Yonath"], [], [])
    assert found(client, "jose GAR")[0] == ["José Garcia 1"]
    with translation.override("de"):
        in_german = UnknownPerson.objects.get().called
    for one in ("Unknown 1", "#1", "1", in_german):
        assert found(client, one, headers={"accept-language": "de"})[1] == ["Unknown 1"]
    assert found(client, "1") == (["José Garcia 1"], ["Unknown 1"], ["door-1.jpg"])
    assert found(client, "Unknown 2") == found(client, "") == found(client, "\0") == ([], [], [])
    suggested = client.get(FIND, {"q": "ada"}, HTTP_HX_REQUEST="true")
    assert suggested.content.decode().count("<li>") == 2 and "<!doctype" not in suggested.content.decode()
    with django_assert_max_num_queries(12):
        client.get(FIND, {"q": "1"})


def test_a_full_name_that_one_person_has_leads_there(client, gallery):
    client.force_login(member(gallery, Role.VIEWER).user)
    ada = IdentityFactory(gallery=gallery, name="Ada Lovelace")
    IdentityFactory(gallery=gallery, name="Ada Lovelace-Byron")
    assert client.get(FIND, {"q": " ada  LOVELACE "})["Location"] == ada.get_absolute_url()
    assert client.get(FIND, {"q": "ada lovelace"}, HTTP_HX_REQUEST="true").status_code == 200
    assert client.get(FIND, {"q": "ada"}).status_code == 200
    IdentityFactory(gallery=gallery, name="ADA Lovelace")
    assert client.get(FIND, {"q": "Ada Lovelace"}).status_code == 200


def test_nobody_finds_what_they_may_not_see(client, gallery):
    one, other = member(gallery, Role.VIEWER), member(gallery, Role.VIEWER)
    photo(gallery, "mine.jpg", one.user)
    photo(gallery, "theirs.jpg", other.user)
    client.force_login(one.user)
    assert found(client, "jpg")[2] == ["mine.jpg"]
    client.force_login(stranger().user)
    assert client.get(FIND, {"q": "mine"}).status_code == 404
