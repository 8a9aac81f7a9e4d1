"""A person's pages: head, tabs, details on demand, and the history with its undo."""

import pytest
from factories import GalleryFactory, IdentityFactory, SampleFactory, member

from accounts.actor import Actor, Via
from accounts.models import AuditEvent
from accounts.roles import Role
from gallery import services
from gallery.bulk.services import change_people
from gallery.curation.services import merge_identities

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.fixture
def ada(gallery):
    return SampleFactory(identity=IdentityFactory(gallery=gallery, name="Ada", department="Navy")).identity


def signed_in(client, gallery, role: Role) -> Actor:
    actor = member(gallery, role)
    client.force_login(actor.user)
    return Actor(user=actor.user, via=Via.WEB, name=actor.name)


TABS = ["", "seen", "details", "history"]


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_has_the_same_head_in_few_queries(client, gallery, ada, tab, django_assert_max_num_queries):
    before, after = (IdentityFactory(gallery=gallery, name=name) for name in ("Aaron", "Zoe"))
    IdentityFactory(gallery=gallery, name="Aa inactive", active=False)
    signed_in(client, gallery, Role.OWNER)
    client.get("/galleries/staff/")
    with django_assert_max_num_queries(14 if tab == "history" else 12):
        page = client.get(f"/galleries/staff/people/{ada.pk}/{tab}").content.decode()
    for text in (
        f'{before.pk}/" rel="prev"',
        f'{after.pk}/" rel="next"',
        "Set inactive",
        "Delete …",
        "Erase for good",
        "Add photos",
    ):
        assert text in page
    assert page.count('aria-current="page"') >= 2  # the menu's and the tab's


@pytest.mark.parametrize(("role", "shown"), [(Role.VIEWER, False), (Role.CURATOR, True)])
@pytest.mark.parametrize("tab", TABS)
def test_viewers_see_no_acts(client, gallery, ada, role, shown, tab):
    signed_in(client, gallery, role)
    page = client.get(f"/galleries/staff/people/{ada.pk}/{tab}").content.decode()
    assert all((text in page) is shown for text in ("Set inactive", "Delete …", "Add photos"))
    assert "Erase for good" not in page


def test_details_are_shown_and_edited_on_demand(client, gallery, ada):
    signed_in(client, gallery, Role.CURATOR)
    address = f"/galleries/staff/people/{ada.pk}/details"
    assert '<details id="edit" >' in client.get(address).content.decode()
    assert '<details id="edit" open>' in client.get(f"{address}?edit=details").content.decode()
    refused = client.post(address, {"name": ""})
    assert refused.status_code == 400 and '<details id="edit" open>' in refused.content.decode()
    assert client.post(address, {"name": "Ada L.", "active": "on"})["Location"] == address


def test_the_history_tells_single_and_many_acts_and_undoes_them(client, gallery, ada):
    owner = signed_in(client, gallery, Role.OWNER)
    ben = IdentityFactory(gallery=gallery, name="Ben")
    services.update_identity(actor=owner, identity=ada, position="Admiral")
    change_people(actor=owner, gallery=gallery, people=[ben.pk, ada.pk], department="Radar")
    merge_identities(actor=owner, into=ada, others=[ben])
    page = client.get(f"/galleries/staff/people/{ada.pk}/history").content.decode()
    told = ("Merged another entry", "Changed many people at once", "→ Radar", "– → Admiral")
    assert [page.index(text) for text in told] == sorted(page.index(text) for text in told)
    assert page.count(" Undo</button>") == 3
    for event in AuditEvent.objects.order_by("-id")[:2]:
        client.post(f"/undo/{event.pk}")
    ada.refresh_from_db()
    assert (ada.department, ada.position, gallery.identities.count()) == ("Navy", "Admiral", 2)
    page = client.get(f"/galleries/staff/people/{ada.pk}/history").content.decode()
    assert "Undid: merged another entry" in page and page.count("<small>undone</small>") == 2


def test_a_curator_sees_in_the_history_what_they_did_themselves(client, gallery, ada):
    services.update_identity(actor=member(gallery, Role.OWNER), identity=ada, position="Admiral")
    curator = signed_in(client, gallery, Role.CURATOR)
    services.update_identity(actor=curator, identity=ada, external_id="17")
    page = client.get(f"/galleries/staff/people/{ada.pk}/history").content.decode()
    assert "– → 17" in page and "Admiral</bdi></dd>" not in page and "Owners of the gallery see" in page


def test_one_is_set_inactive_from_the_head(client, gallery, ada):
    signed_in(client, gallery, Role.CURATOR)
    back = f"/galleries/staff/people/{ada.pk}/details"
    answer = client.post("/galleries/staff/people/many/inactive", {"people": ada.pk, "back": back}, follow=True)
    page = answer.content.decode()
    assert answer.redirect_chain[0][0] == back and "Ada is not active now." in page and "Set active" in page
