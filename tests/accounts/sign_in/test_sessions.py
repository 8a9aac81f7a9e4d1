"""How long a session lasts, what its user sees of it, and what asks again who somebody is."""

import time
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from api_client import problem
from django.contrib.sessions.models import Session
from django.test import Client, override_settings
from django.utils import timezone
from factories import PASSWORD, GalleryFactory, IdentityFactory, UserFactory, member

from accounts.models import ApiKey, AuditEvent, User
from accounts.roles import Role
from accounts.sign_in.middleware import SEEN_AT, SIGNED_IN_AT
from accounts.sign_in.sessions import delete_ended
from recognition.alerts.models import WebhookEndpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return UserFactory(username="ada")


def signed_in(user: User, **values) -> Client:
    client = Client(**values)
    client.post("/sign-in", {"username": user.username, "password": PASSWORD})
    return client


def put(client: Client, **values) -> None:
    session = client.session
    session.update(values)
    session.save()


def aged(client: Client, seconds: float) -> Client:
    """As if its user had signed in so long ago."""
    put(client, **{SIGNED_IN_AT: client.session.get(SIGNED_IN_AT, time.time()) - seconds})
    return client


def is_in(client: Client) -> bool:
    return client.get("/account").status_code == 200


@override_settings(SESSION_SECONDS=3600)
def test_a_session_ends_after_its_longest_time_however_much_it_is_used(ada):
    client = signed_in(ada)
    assert is_in(aged(client, 3500)) and is_in(client) and Session.objects.count() == 1
    assert not is_in(aged(client, 200))
    assert Session.objects.filter(session_key=client.session.session_key).count() == 0


def test_a_session_ends_when_it_is_not_used_and_each_use_puts_that_off(ada, settings):
    settings.SESSION_COOKIE_AGE = 600
    client = signed_in(ada)
    assert is_in(client)
    before = Session.objects.get().expire_date
    assert is_in(client) and Session.objects.get().expire_date == before  # within a minute nothing is written
    put(client, **{SEEN_AT: time.time() - 61})
    ends = timezone.now() + timedelta(seconds=500)
    Session.objects.update(expire_date=ends)
    assert is_in(client) and Session.objects.get().expire_date > ends
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert not is_in(client)


def test_a_session_from_before_goes_on(ada):
    client = signed_in(ada)
    User.objects.update(last_login=timezone.now() - timedelta(days=3))
    session = client.session
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session.save()
    assert is_in(client) and SIGNED_IN_AT in client.session
    assert client.get("/api/v1/me").json()["username"] == "ada"
    assert client.post("/api-keys", {"name": "x", "scopes": ["read"]})["Location"].startswith("/account/confirm")


def test_one_sees_and_ends_ones_own_sessions(ada):
    phone = signed_in(ada, HTTP_USER_AGENT="Mozilla/5.0 (iPhone) Safari/605", REMOTE_ADDR="192.0.2.7")
    here, stranger = signed_in(ada, HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux) Firefox/130.0"), signed_in(UserFactory())
    for client in (phone, here, stranger):
        assert is_in(client)
    page = here.get("/account").content.decode()
    assert "Safari on iPhone" in page and "192.0.2.7" in page and page.count("this one") == 1
    pk = UserSession.objects.get(ip="192.0.2.7").pk
    assert stranger.post(f"/account/sessions/{pk}/end").status_code == 404 and is_in(phone)
    assert here.post(f"/account/sessions/{pk}/end").status_code == 302
    assert not is_in(phone) and is_in(here) and is_in(stranger)
    assert AuditEvent.objects.get(action="session.ended").details == {"ip": "192.0.2.7"}
    Session.objects.filter(session_key=here.session.session_key).delete()
    assert delete_ended() == 1


# --- Confirming -------------------------------------------------------------------------------------------------------
def test_a_key_is_made_once_the_password_was_given_again(ada):
    client = aged(signed_in(ada), 700)
    assert client.get("/api-keys").status_code == 200
    asked = client.post("/api-keys", {"name": "door", "scopes": ["read"], "days": "30"})
    assert asked["Location"] == "/account/confirm?next=%2Fapi-keys" and not ApiKey.objects.exists()
    wrong = client.post(asked["Location"], {"password": "wrong", "next": "/api-keys"})
    assert "Incorrect password" in wrong.content.decode() and not ApiKey.objects.exists()
    done = client.post(asked["Location"], {"password": PASSWORD, "next": "/api-keys"})
    assert "copy the key now" in done.content.decode() and ApiKey.objects.get().name == "door"
    assert client.post("/api-keys", {"name": "gate", "scopes": ["read"]}).status_code == 200


@override_settings(SIGN_IN_RATE=2)
def test_the_password_cannot_be_guessed_there(ada):
    client = aged(signed_in(ada), 700)
    found = [client.post("/account/confirm", {"password": "wrong"}).status_code for _ in range(3)]
    assert found == [200, 200, 429]
    assert client.post("/account/confirm", {"password": PASSWORD}).status_code == 429


def test_what_else_asks_again_and_what_does_not(ada, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    gallery = GalleryFactory(slug="staff")
    owner, person = member(gallery, Role.OWNER).user, IdentityFactory(gallery=gallery, name="Ben")
    people = f"/galleries/staff/people/{person.pk}"
    endpoint = WebhookEndpoint.objects.create(gallery=gallery, url="https://example.com/hook", secret="kept")
    erasure = {"confirm": "Ben", "reason": "asked for it"}
    for address, values in (
        (f"{people}/export", {}),
        (f"{people}/erase", erasure),
        ("/galleries/staff/delete", {"confirm": "Staff"}),
        ("/users", {"username": "new", "gallery": str(gallery.pk), "role": "10"}),
        (f"/users/{owner.pk}/role", {"gallery": str(gallery.pk), "role": "10"}),
        ("/galleries/staff/alerts/webhooks", {"url": "https://example.com/hook"}),
        (f"/galleries/staff/alerts/webhooks/{endpoint.pk}/rotate", {}),
        ("/account/app", {"code": "000000"}),
        ("/account/passkeys/add", {}),
    ):
        client = aged(signed_in(owner), 700)
        answer = client.post(address, values)
        assert (answer.status_code, answer["Location"][:16]) == (302, "/account/confirm"), address
    assert User.objects.count() == 2 and owner.memberships.get().role == Role.OWNER
    assert WebhookEndpoint.objects.get().secret == "kept"
    client = aged(signed_in(owner), 700)
    assert client.post("/account/name", {"first_name": "Ada"})["Location"] == "/account"
    api = "/api/v1"
    for answer in (
        client.get(f"{api}/identities/{person.pk}/export"),
        client.post(f"{api}/identities/{person.pk}/erasure", erasure, content_type="application/json"),
        client.post(f"{api}/api-keys", {"scopes": ["read"]}, content_type="application/json"),
        client.post(f"{api}/webhook-endpoints", {"gallery": "staff", "url": "x"}, content_type="application/json"),
        client.post(f"{api}/webhook-endpoints/{endpoint.pk}/rotate-secret"),
        client.put(f"{api}/galleries/staff/members/ada", {"role": "viewer"}, content_type="application/json"),
    ):
        problem(answer, 403, "confirm_first")
    assert client.get(f"{api}/api-keys").status_code == 200
