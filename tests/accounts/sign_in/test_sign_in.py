"""Signing in: guessing is counted before a password is hashed, and does not shut the owner out."""

import threading
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client, override_settings
from django.utils import timezone
from factories import PASSWORD, UserFactory

from accounts.models import AuditEvent, RequestBucket
from accounts.sign_in import throttling
from faceplatform.errors import TooManyAttempts

pytestmark = pytest.mark.django_db


@pytest.fixture
def hashed(monkeypatch) -> list:
    """The passwords that were hashed."""
    seen = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(
        MD5PasswordHasher, "encode", lambda self, password, salt: seen.append(password) or encode(self, password, salt)
    )
    return seen


def sign_in(name: str, password: str = "wrong", *, client: Client | None = None, address: str = "192.0.2.1"):
    return (client or Client()).post("/sign-in", {"username": name, "password": password}, REMOTE_ADDR=address)


def statuses(times: int, *arguments, **options) -> list[int]:
    return [sign_in(*arguments, **options).status_code for _ in range(times)]


@override_settings(SIGN_IN_RATE=0, SIGN_IN_ADDRESS_RATE=3)
def test_guessing_from_one_address_ends_before_hashing(hashed):
    UserFactory(username="ada")
    del hashed[:]
    assert [sign_in(f"user{n}").status_code for n in range(3)] == [200] * 3
    refused = sign_in("ada", PASSWORD)
    assert refused.status_code == 429 and 1 <= int(refused["Retry-After"]) <= 20
    assert "Too many attempts to sign in. Wait" in refused.content.decode()
    assert 'value="ada"' in refused.content.decode() and PASSWORD not in refused.content.decode()
    assert len(hashed) == 3 and "_auth_user_id" not in refused.client.session
    assert sign_in("ada", PASSWORD, address="192.0.2.2").status_code == 302


@override_settings(SIGN_IN_RATE=0, SIGN_IN_ADDRESS_RATE=2)
def test_an_ipv6_customer_is_one_address():
    found = [sign_in("ada", address=f"2001:db8:0:1::{n}").status_code for n in range(1, 4)]
    assert found == [200, 200, 429]
    assert sign_in("ada", address="2001:db8:0:2::1").status_code == 200


@override_settings(SIGN_IN_RATE=3, SIGN_IN_ADDRESS_RATE=0)
def test_guessing_one_account_from_many_addresses_ends(hashed):
    found = [sign_in("Ada" if n % 2 else "ada", address=f"192.0.2.{n}").status_code for n in range(1, 6)]
    assert found == [200, 200, 200, 429, 429]
    assert len(hashed) == 3
    assert sign_in("grace", address="192.0.2.9").status_code == 200
    RequestBucket.objects.update(at=timezone.now() - timedelta(seconds=21))
    assert statuses(2, "ada", address="192.0.2.9") == [200, 429]


@override_settings(SIGN_IN_RATE=2, SIGN_IN_ADDRESS_RATE=2)
def test_the_owner_still_gets_in_with_a_browser_that_is_known():
    UserFactory(username="ada"), UserFactory(username="grace")
    known = Client()
    assert sign_in("ada", PASSWORD, client=known).status_code == 302
    known.post("/sign-out")
    assert 429 in statuses(4, "ada") and 429 in statuses(3, "ada", address="192.0.2.2")
    assert sign_in("ada", PASSWORD, client=known).status_code == 302
    known.post("/sign-out")
    assert sign_in("grace", PASSWORD, client=known).status_code == 429  # known for one account only
    assert 429 in statuses(3, "ada", client=known)  # and it cannot guess on
    forged = Client()
    forged.cookies[throttling.COOKIE] = known.cookies[throttling.COOKIE].value[:-1] + "x"
    assert sign_in("ada", PASSWORD, client=forged).status_code == 429


def test_the_cookie_of_a_known_browser_is_for_the_sign_in_alone():
    UserFactory(username="ada")
    cookie = sign_in("ada", PASSWORD).cookies[throttling.COOKIE]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/sign-in", True, "Lax")
    assert "ada" not in cookie.value


@override_settings(SIGN_IN_RATE=0, SIGN_IN_ADDRESS_RATE=2)
def test_right_passwords_do_not_use_an_address_up():
    for n in range(5):
        UserFactory(username=f"user{n}")
        assert sign_in(f"user{n}", PASSWORD).status_code == 302


@override_settings(SIGN_IN_RATE=1, SIGN_IN_ADDRESS_RATE=5)
def test_refusals_are_audited_once_an_hour_and_name_no_strangers():
    user = UserFactory(username="ada")
    assert statuses(3, "ada") == [200, 429, 429]
    statuses(3, "hunter2")  # a password in the wrong field
    events = AuditEvent.objects.filter(action="sign_in.throttled").order_by("id")
    told = [(event.details["limit"], event.object_id, event.ip, event.user_id) for event in events]
    expected = [("account", str(user.pk)), ("account", ""), ("address", "")]
    assert told == [(limit, row, "192.0.2.1", None) for limit, row in expected]
    assert not any("hunter2" in str(vars(event)) for event in events)


def test_few_threads_hash_or_wait_for_it():
    turns = throttling.Turns(waiting=1)
    inside, go_on = threading.Event(), threading.Event()

    def hold():
        with turns.take():
            inside.set()
            go_on.wait()

    first = threading.Thread(target=hold)
    first.start()
    inside.wait()
    turns._places.acquire()  # as the one that waits does
    with pytest.raises(TooManyAttempts, match="Many people"), turns.take():
        pass
    turns._places.release()
    go_on.set()
    first.join()
    with turns.take():
        pass


def test_an_attempt_that_finds_no_turn_is_answered_on_the_page(hashed):
    places = [throttling.UNKNOWN._places.acquire(blocking=False) for _ in range(4)]
    try:
        refused = sign_in("ada")
    finally:
        for _ in places:
            throttling.UNKNOWN._places.release()
    assert all(places) and (refused.status_code, refused["Retry-After"], hashed) == (429, "3", [])


# --- The admin site ---------------------------------------------------------------------------------------------------
def test_the_admin_site_has_no_sign_in_of_its_own(client, hashed):
    boss = UserFactory(username="boss", is_superuser=True, is_staff=True)
    del hashed[:]
    response = client.post("/admin/login/?next=/admin/", {"username": "boss", "password": PASSWORD})
    assert response["Location"] == "/sign-in?next=/admin/" and hashed == []
    assert client.post(response["Location"], {"username": "boss", "password": PASSWORD})["Location"] == "/admin/"
    client.force_login(boss)
    assert client.get("/admin/login/")["Location"] == "/admin/"


def test_who_is_not_staff_is_told_and_not_sent_round(client):
    client.force_login(UserFactory())
    response = client.get("/admin/", follow=True)
    assert response.status_code == 403 and "for staff" in response.content.decode()
    assert client.get("/sign-in?next=/sign-in")["Location"] == "/"


# --- One's own password -----------------------------------------------------------------------------------------------
def change(client, old: str = PASSWORD, **values):
    new = {"password1": "Very-long-pass-77", "password2": "Very-long-pass-77"}
    return client.post("/password", {"oldpassword": old, **new, **values})


@pytest.mark.parametrize("end", [False, True])
def test_users_change_their_own_password_and_may_end_their_keys(client, end):
    from accounts.actor import cli_actor
    from accounts.keys.services import create_api_key

    user, other = UserFactory(), Client()
    key, _ = create_api_key(actor=cli_actor(), user=user, scopes=["read"], name="front door")
    for one in (client, other):
        one.force_login(user)
    assert "front door" in client.get("/password").content.decode()
    assert change(client, **({"end_keys": "on"} if end else {})).status_code == 302
    user.refresh_from_db()
    key.refresh_from_db()
    assert user.check_password("Very-long-pass-77") and key.state == ("revoked" if end else "valid")
    assert client.get("/password").status_code == 200 and other.get("/password").status_code == 302
    event = AuditEvent.objects.order_by("id").last()
    assert (event.action, event.user_id, event.details) == ("user.password_changed", user.pk, {"keys_ended": int(end)})


@pytest.mark.parametrize("address", ["/password", "/admin/password_change/"])
@override_settings(SIGN_IN_RATE=2)
def test_the_old_password_cannot_be_guessed(client, hashed, address):
    user = UserFactory(is_staff=True)
    client.force_login(user)
    assert [change(client, "wrong").status_code for _ in range(2)] == [400, 400]
    del hashed[:]
    refused = client.post(address, {"oldpassword": PASSWORD, "password1": "Very-long-pass-77"})
    assert refused.status_code == 429 and "Retry-After" in refused and hashed == []
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert settings.SIGN_IN_RATE == 2
