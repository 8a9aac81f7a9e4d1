"""One's own theme and time zone: on all pages, for oneself alone, and without a part in what the platform decides."""

from datetime import UTC, date, datetime

import pytest
from api_world import database_state
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from factories import PASSWORD, IdentityFactory, UserFactory, member

from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.dates import server_today

pytestmark = pytest.mark.django_db
KIRITIMATI = {"theme": "dark", "language": "", "time_zone": "Pacific/Kiritimati"}  # 14 hours ahead


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def client(user):
    client = Client()
    client.force_login(user)
    client.get("/account")  # so that the session is noted
    return client


def test_they_are_saved_and_audited(client, user):
    other = UserFactory()
    assert client.post("/account/display", KIRITIMATI)["Location"] == "/account"
    user.refresh_from_db()
    other.refresh_from_db()
    assert (user.theme, user.time_zone) == ("dark", "Pacific/Kiritimati")
    assert (other.theme, other.time_zone) == ("", "")
    event = AuditEvent.objects.get(action="user.changed")
    assert (event.object_id, event.details) == (str(user.pk), {"fields": ["theme", "language", "time_zone"]})


@pytest.mark.parametrize("wrong", [{"theme": "pink"}, {"time_zone": "Mars/Olympus"}, {"time_zone": "../etc/passwd"}])
def test_others_than_those_of_the_lists_are_refused(client, wrong):
    before = database_state()
    assert client.post("/account/display", KIRITIMATI | wrong).status_code == 400
    assert database_state() == before


def test_nobody_signed_in_is_led_to_sign_in(user):
    assert Client().post("/account/display", KIRITIMATI).status_code == 302
    user.refresh_from_db()
    assert user.theme == ""


def test_the_theme_is_on_every_page_and_none_means_the_device(client):
    assert '<html lang="en">' in client.get("/account").content.decode()
    client.post("/account/display", KIRITIMATI)
    assert '<html lang="en" data-theme="dark">' in client.get("/api-keys").content.decode()


def test_pages_show_times_in_the_users_zone_and_the_api_in_the_servers(client, user):
    person = IdentityFactory(last_recognized_at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
    user.memberships.create(gallery=person.gallery, role=Role.VIEWER)
    page, api = f"/galleries/{person.gallery.slug}/", f"/api/v1/identities/{person.pk}"
    assert "1 Mar 2026" in client.get(page).content.decode()
    client.post("/account/display", KIRITIMATI)
    assert "2 Mar 2026" in client.get(page).content.decode()
    assert client.get(api).json()["last_recognized_at"].startswith("2026-03-01T12:30:00")
    assert timezone.get_current_timezone_name() == "UTC"  # for whoever is served next


def test_consent_ends_by_the_servers_day_for_everybody():
    person = IdentityFactory(consent="given", consent_at=date(2026, 3, 1), consent_by="herself")
    actor = member(person.gallery, Role.CURATOR)
    with timezone.override("Pacific/Kiritimati"):
        assert abs((server_today() - timezone.localdate()).days) <= 1
        assert server_today() == datetime.now(UTC).date()
        person.consent_until = server_today()
        person.save()
        assert person.has_valid_consent
        assert person.gallery.identities.visible_to(actor).with_valid_consent().filter(pk=person.pk).exists()


def test_the_page_needs_as_many_queries_for_many_sessions_as_for_one(client, user, django_assert_max_num_queries):
    for _ in range(4):
        other = Client()
        other.post("/sign-in", {"username": user.username, "password": PASSWORD})
    Session.objects.filter(pk=other.session.session_key).delete()  # as when it has ended
    with django_assert_max_num_queries(12):
        page = client.get("/account").content.decode()
    assert page.count("End the session of") == 3
