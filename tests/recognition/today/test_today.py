"""The page of the day: who is seen, missing and unknown, what waits for whom, and what it costs."""

from datetime import timedelta

import pytest
from django.utils import timezone
from factories import CameraFactory, GalleryFactory, IdentityFactory, SampleFactory, member, stranger, unit
from seen import sight

from accounts.roles import Role
from gallery.models import Identity
from recognition.attendance.models import AttendanceDay
from recognition.health.models import HealthFinding
from recognition.imports.models import Import
from recognition.today import reading

pytestmark = pytest.mark.django_db
NOW = timezone.now


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff", requires_consent=True)


def as_(client, gallery, role: Role):
    client.force_login(member(gallery, role).user)
    return client


def text(answer) -> str:
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def seen_by_camera(person) -> None:
    day = reading.today_of(person.gallery)
    AttendanceDay.objects.create(
        gallery=person.gallery, identity=person, date=day.date, first_seen=NOW(), last_seen=NOW(), sightings=1
    )


def waiting_for_review(gallery) -> None:
    """Two faces of one stranger, a duplicate, a consent that ends, and photos that an import refused."""
    ada, ben = (SampleFactory(identity__gallery=gallery, identity__name=name).identity for name in ("Ada", "Ben"))
    sight(gallery, unit(7), at=NOW() - timedelta(minutes=2))
    sight(gallery, unit(7), at=NOW() - timedelta(minutes=1))
    HealthFinding.objects.create(
        gallery=gallery, kind="duplicate", reason="same_person", rank=0, identity=ada, other=ben,
        sample=ada.samples.get(), other_sample=ben.samples.get(),
    )  # fmt: skip
    ending = {
        "consent": "given",
        "consent_by": "Ada",
        "consent_at": "2026-01-01",
        "consent_until": timezone.localdate(),
    }
    Identity.objects.filter(pk=ada.pk).update(**ending)
    Import.objects.create(gallery=gallery, name="a.zip", status="done", refused=3, finished_at=NOW())


def test_who_is_seen_missing_and_unknown(client, gallery):
    people = [IdentityFactory(gallery=gallery, name=name) for name in ("By camera", "By photo", "Missing", "Yesterday")]
    for name, fields in (("Hidden", {"hidden": True}), ("Inactive", {"active": False})):
        IdentityFactory(gallery=gallery, name=name, last_recognized_at=NOW(), **fields)
    seen_by_camera(people[0])
    began = reading.today_of(gallery).began
    Identity.objects.filter(pk=people[1].pk).update(last_recognized_at=began)
    Identity.objects.filter(pk=people[3].pk).update(last_recognized_at=began - timedelta(seconds=1))
    stranger_today = sight(gallery, unit(7), at=max(began, NOW() - timedelta(seconds=20))).unknown
    sight(gallery, unit(9), at=began - timedelta(days=1))
    context = as_(client, gallery, Role.VIEWER).get("/galleries/staff/today").context
    assert [row.name for row in context["seen"]] == ["By camera", "By photo"]
    assert [row.name for row in context["missing"]] == ["Missing", "Yesterday"]
    assert list(context["unknown"]) == [stranger_today]
    assert context["figures"] == {"seen": 2, "expected": 4, "unknown": 1}


def test_the_day_is_the_gallerys(gallery):
    gallery.time_zone, gallery.day_starts_at = "Pacific/Kiritimati", "06:00"
    gallery.save()
    gallery.refresh_from_db()
    day = reading.today_of(gallery)
    assert day.began.astimezone(gallery.zone).hour == 6
    assert day.began <= NOW() < day.began + timedelta(days=1)


@pytest.mark.parametrize("role", Role)
def test_only_curators_are_told_what_waits_for_review(client, gallery, role):
    waiting_for_review(gallery)
    page = text(as_(client, gallery, role).get("/galleries/staff/today"))
    told = (
        "waiting for review",
        "1 stranger seen several times",
        "3 refused photos",
        "1 possible duplicate",
        "1 consent",
    )
    assert [words in page for words in told] == [role >= Role.CURATOR] * len(told)
    assert ("Who is this?" in page) == (role >= Role.CURATOR)
    news = text(client.get("/galleries/staff/today/news"))
    assert ('id="figure-review"' in news) == (role >= Role.CURATOR)
    if role >= Role.CURATOR:
        assert 'id="figure-review" hx-swap-oob="true">6<' in news


def test_strangers_find_nothing(client, gallery):
    client.force_login(stranger().user)
    for address in ("/galleries/staff/today", "/galleries/staff/today/news"):
        assert client.get(address).status_code == 404
        assert client.post(address).status_code in (404, 405)


def test_what_comes_later_waits(client, gallery):
    people = [IdentityFactory(gallery=gallery, name=f"Person {n}") for n in range(3)]
    page = as_(client, gallery, Role.VIEWER).get("/galleries/staff/today")
    assert "news?seen=0&amp;unknown=0" in text(page)
    for person in people[:2]:
        seen_by_camera(person)
    sight(gallery, unit(7), at=NOW() - timedelta(seconds=20))
    news = text(client.get("/galleries/staff/today/news?seen=0&unknown=0"))
    assert "3 new – show" in news and "2 / 3" in news and "Person" not in news
    assert "new – show" not in text(client.get("/galleries/staff/today/news?seen=2&unknown=1"))
    for odd in ("seen=x", "seen=-1&unknown=", "seen=99999999999999"):
        assert "new – show" not in text(client.get(f"/galleries/staff/today/news?{odd}"))


def test_ten_thousand_people_in_twelve_queries(client, gallery, django_assert_max_num_queries):
    rows = [Identity(gallery=gallery, name=f"Person {n:05}") for n in range(10_000)]
    Identity.objects.bulk_create(rows, batch_size=2000)
    Identity.objects.filter(pk__in=[row.pk for row in rows[:500]]).update(last_recognized_at=NOW())
    waiting_for_review(gallery)
    for _ in range(8):
        CameraFactory(gallery=gallery)
    viewer = as_(client, gallery, Role.CURATOR)
    viewer.get("/galleries/staff/today")  # the session stores the gallery
    with django_assert_max_num_queries(12):
        page = viewer.get("/galleries/staff/today")
    assert "500 / 10002" in text(page) and len(page.content) < 150_000
    with django_assert_max_num_queries(12):
        viewer.get("/galleries/staff/today/news?seen=0&unknown=0")


def test_home_leads_to_the_day_once_somebody_can_be_seen(client, gallery):
    person = IdentityFactory(gallery=gallery)
    viewer = as_(client, gallery, Role.VIEWER)
    assert viewer.get("/")["Location"] == "/galleries/staff/"
    Identity.objects.filter(pk=person.pk).update(last_recognized_at=NOW() - timedelta(days=30))
    assert viewer.get("/")["Location"] == "/galleries/staff/today"
    Identity.objects.update(last_recognized_at=None)
    CameraFactory(gallery=gallery)
    assert viewer.get("/")["Location"] == "/galleries/staff/today"
    viewer.force_login(stranger().user)
    assert viewer.get("/")["Location"] == "/welcome"
    assert "not a member of any gallery" in text(viewer.get("/welcome"))
