"""The pages of sightings and unknown people: what they show, to whom, and what their buttons do."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, stranger, unit
from seen import CameraFactory, near, sight

from accounts.models import AuditEvent
from accounts.roles import Role
from gallery.services import delete_identity
from recognition.cameras.models import Sighting, UnknownPerson
from recognition.sightings.models import Suggestion

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff", time_zone="Asia/Kathmandu", threshold_source="manual", threshold_distance=0.6)


@pytest.fixture
def curator(gallery):
    return member(gallery, Role.CURATOR)


@pytest.fixture
def page(client, curator):
    client.force_login(curator.user)
    return client


def names(answer) -> list[str]:
    return [str(row.identity or row.unknown or row.decision) for row in answer.context["page"]]


def address(name: str, *args) -> str:
    return reverse(name, args=["staff", *args])


def test_sightings_are_found_by_person_camera_decision_and_time(page, gallery, django_assert_max_num_queries):
    ada, ben = (IdentityFactory(gallery=gallery, name=name) for name in ("Ada Lovelace", "Ben"))
    door, back = (CameraFactory(gallery=gallery, slug=slug, name=slug) for slug in ("door", "back"))
    at = timezone.now().replace(second=0) - timedelta(hours=3)
    first = sight(gallery, unit(0), identity=ada, camera=door, at=at)
    for number in range(5):
        sight(gallery, unit(number), identity=ben, camera=back, later=120 + number)
    sight(gallery, unit(9), later=600, camera=door)
    sight(gallery, unit(9), later=660, decision="unusable", camera=door)
    sight(GalleryFactory(), unit(9))
    with django_assert_max_num_queries(12):
        answer = page.get(address("sightings"))
    assert names(answer) == ["unusable", "Unknown 1", *["Ben"] * 5, "Ada Lovelace"]
    for query, found in (
        ("name=lovel", ["Ada Lovelace"]),
        (f"person={ada.pk}", ["Ada Lovelace"]),
        ("camera=back", ["Ben"] * 5),
        ("decision=unknown", ["Unknown 1"]),
        ("camera=back&decision=unknown", []),
    ):
        assert names(page.get(f"{address('sightings')}?{query}")) == found
    local = first.first_seen + timedelta(hours=5, minutes=46)  # in Kathmandu
    assert names(page.get(f"{address('sightings')}?before={local:%Y-%m-%dT%H:%M}"))[-1] == "Ada Lovelace"
    assert len(names(page.get(f"{address('sightings')}?after={local:%Y-%m-%dT%H:%M}"))) == 7
    odd = page.get(f"{address('sightings')}?camera=nowhere&after=yesterday&decision=%00&person=x&page=-1")
    assert odd.status_code == 200 and len(names(odd)) == 8
    delete_identity(actor=member(gallery, Role.OWNER), identity=ada)
    assert "A deleted person" in page.get(address("sightings")).content.decode()


def test_new_sightings_are_told_of_and_not_pushed_in(page, gallery):
    sight(gallery, unit(0))
    shown = page.get(address("sightings"))
    news = f"{address('new-sightings')}?{shown.context['news']}"
    assert "new – show" not in page.get(news).content.decode()
    for number in range(3):
        sight(gallery, unit(5 + number), later=60)
    assert "3 new – show" in page.get(news).content.decode()
    only_known = f"{address('new-sightings')}?{page.get(address('sightings') + '?decision=known').context['news']}"
    assert "new – show" not in page.get(only_known).content.decode()
    assert page.get(f"{address('new-sightings')}?since=x").status_code == 200


def test_a_person_s_page_of_sightings_is_by_the_gallery_s_days(page, gallery):
    ada = IdentityFactory(gallery=gallery, name="Ada")
    late = sight(gallery, unit(0), identity=ada)
    at = late.first_seen.replace(hour=18, minute=0, second=0)  # 23:45 in Kathmandu
    Sighting.objects.filter(pk=late.pk).update(first_seen=at, last_seen=at)
    sight(gallery, unit(0), identity=ada, at=at + timedelta(minutes=30))
    answer = page.get(address("seen", ada.pk))
    assert [len(rows) for _, rows in answer.context["days"]] == [1, 1]
    assert "23:45:00" in answer.content.decode()
    assert page.get(address("seen", IdentityFactory().pk)).status_code == 404


def test_the_buttons_of_a_sighting(page, gallery):
    ada = SampleFactory(identity__gallery=gallery, identity__name="Ada", vector=unit(0)).identity
    ben = IdentityFactory(gallery=gallery, name="Ben")
    sighting = sight(gallery, near(unit(0), 0.4), identity=ada)

    def press(action, **data):
        answer = page.post(address("correct-sighting", sighting.pk, action), data, follow=True)
        sighting.refresh_from_db()
        return answer.content.decode()

    assert "Noted: this is Ada." in press("confirm") and sighting.named_at
    assert "Saved: this is not Ada." in press("reject") and sighting.decision == "unknown"
    assert "has been corrected in the meantime" in press("reject")
    assert "Saved: this is Ben." in press("name", to=str(ben.pk)) and sighting.identity == ben
    assert "Choose a person, or give the name" in press("name")
    assert "Saved: this is Cy." in press("name", name="Cy", enrol="on") and sighting.identity.samples.exists()
    event = AuditEvent.objects.latest("id")
    page.post(reverse("undo", args=[event.pk]))
    sighting.refresh_from_db()
    assert sighting.identity == ben and not gallery.identities.filter(name="Cy").exists()
    assert "Ada" in page.get(f"{address('choices-sighting')}?q=ad").content.decode()


def test_unknown_people_are_named_merged_ignored_and_split(page, gallery):
    often, _, _ = (sight(gallery, unit(0), later=60 * n).unknown for n in range(3))
    second = sight(gallery, unit(5)).unknown
    ada = IdentityFactory(gallery=gallery, name="Ada")
    Suggestion.objects.create(gallery=gallery, unknown=often, identity=ada, distance=0.5)
    Suggestion.objects.create(gallery=gallery, unknown=often, other=second, distance=0.5)
    shown = page.get(address("unknown-people"))
    assert [row.pk for row in shown.context["page"]] == [often.pk] and [row.pk for row in shown.context["once"]] == [
        second.pk
    ]
    assert "may be Ada" in shown.content.decode() and "Seen once (1)" in shown.content.decode()
    one = page.get(address("unknown-person", often.pk))
    assert "This may be" in one.content.decode() and len(one.context["proposed"]) == 3

    def press(view, *args, **data):
        return page.post(address(view, *args), data, follow=True).content.decode()

    assert "It is suggested no more" in press("change-unknown", often.pk, "deny", to=str(ada.pk))
    assert "Tick unknown people first" in press("change-unknowns", "merge")
    assert "Choose two to" in press("change-unknowns", "merge", unknowns=[often.pk])
    assert "is ignored" in press("change-unknowns", "ignore", unknowns=[second.pk])
    assert [row.pk for row in page.get(f"{address('unknown-people')}?state=ignored").context["once"]] == [second.pk]
    assert "is shown again" in press("change-unknown", second.pk, "show")
    assert "were merged into Unknown 1" in press("change-unknowns", "merge", unknowns=[often.pk, second.pk])
    assert page.get(address("unknown-person", second.pk)).status_code == 302
    rows = list(Sighting.objects.filter(unknown=often).order_by("first_seen"))
    ticked = {"shown": [row.pk for row in rows], "sightings": [row.pk for row in rows if row.pk != rows[0].pk]}
    assert "are Unknown 3 now" in press("change-unknown", often.pk, "split", **ticked)
    face = str(rows[1].faces.first().pk)
    assert "This page is out of date" in press("change-unknown", often.pk, "name", name="Cy", faces=[face], **ticked)
    ticked["shown"].remove(rows[0].pk)  # split off just now
    told = press("change-unknown", often.pk, "name", name="Cy", faces=[face], **ticked)
    assert "Unknown 1 is Cy: 3 sightings named, 1 face enrolled." in told
    assert "This is" in page.get(address("unknown-person", often.pk)).content.decode()
    assert "Looking for people" in press("change-unknowns", "look")


@pytest.mark.parametrize("who", ["viewer", "stranger", "anonymous"])
def test_viewers_look_and_others_find_nothing(client, gallery, who):
    ada = IdentityFactory(gallery=gallery, name="Ada")
    known, strange = sight(gallery, unit(0), identity=ada), sight(gallery, unit(5))
    if who != "anonymous":
        client.force_login((member(gallery, Role.VIEWER) if who == "viewer" else stranger()).user)
    status = {"viewer": 200, "stranger": 404, "anonymous": 302}[who]
    for place in (
        address("sightings"), address("new-sightings"), address("seen", ada.pk), address("unknown-people"),
        address("unknown-person", strange.unknown_id),
    ):  # fmt: skip
        answer = client.get(place)
        assert answer.status_code == status, place
        assert b'method="post" action="/galleries' not in answer.content
    before = list(Sighting.objects.order_by("pk").values()), list(UnknownPerson.objects.order_by("pk").values())
    refused = {"viewer": 403, "stranger": 404, "anonymous": 302}[who]
    assert client.get(address("choices-sighting")).status_code == refused
    for place in (
        *(address("correct-sighting", known.pk, action) for action in ("confirm", "reject", "name")),
        *(address("change-unknowns", action) for action in ("merge", "ignore", "show", "look")),
        *(
            address("change-unknown", strange.unknown_id, action)
            for action in ("name", "split", "ignore", "show", "merge", "deny")
        ),
    ):
        assert client.post(place, {"name": "X", "unknowns": strange.unknown_id}).status_code == refused, place
    assert before == (
        list(Sighting.objects.order_by("pk").values()),
        list(UnknownPerson.objects.order_by("pk").values()),
    )
