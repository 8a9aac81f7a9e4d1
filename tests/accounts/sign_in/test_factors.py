"""Second factors without a browser: an authenticator app, recovery codes, who must have one, guessing and taking away."""

import re

import pytest
from django.core.management import call_command
from django.test import Client, override_settings
from factor_codes import totp
from factories import PASSWORD, GalleryFactory, UserFactory, member

from accounts.actor import cli_actor
from accounts.models import AuditEvent, CacheEntry, Look, RequestBucket, User
from accounts.roles import Role
from accounts.users import services

pytestmark = pytest.mark.django_db
CODES = re.compile(r"<li><code>(\d{8})</code></li>")


def sign_in(name: str = "ada", password: str = PASSWORD, client: Client | None = None) -> Client:
    client = client or Client()
    client.post("/sign-in", {"username": name, "password": password})
    return client


def is_in(client: Client) -> bool:
    return client.get("/api-keys").status_code == 200


def add_app(client: Client) -> tuple[str, list[str]]:
    """Returns its key and the recovery codes."""
    page = client.get("/account/app").content.decode()
    secret = re.search(r'<code id="secret">(\w+)</code>', page)[1]
    shown = client.post("/account/app", {"code": totp(secret)}, follow=True)
    assert shown.redirect_chain == [("/account/recovery-codes", 302)]
    return secret, CODES.findall(shown.content.decode())


@pytest.fixture
def ada() -> User:
    return UserFactory(username="ada")


@pytest.fixture
def factor(ada, django_capture_on_commit_callbacks) -> tuple[str, list[str]]:
    """The key and the recovery codes of ada's app."""
    with django_capture_on_commit_callbacks(execute=True):
        secret, codes = add_app(sign_in())
    RequestBucket.objects.all().delete()
    return secret, codes


def test_a_password_alone_does_not_do(factor):
    secret, codes = factor
    assert len(set(codes)) == 10
    client = Client()
    assert client.post("/sign-in", {"username": "ada", "password": PASSWORD})["Location"] == "/sign-in/second-factor"
    assert not is_in(client) and client.get("/api/v1/me").status_code == 401
    wrong = client.post("/sign-in/second-factor", {"code": "000000"})
    assert wrong.status_code == 200 and "Incorrect code" in wrong.content.decode() and not is_in(client)
    assert client.post("/sign-in/second-factor", {"code": totp(secret)}).status_code == 302
    assert is_in(client)
    event = AuditEvent.objects.filter(action="sign_in.succeeded").order_by("id").last()
    assert (event.object_name, event.details) == ("ada", {"by": ["password", "totp"]})
    assert Look.objects.get(kind="factor_failed").user_name == "ada"
    assert {e.details["kind"] for e in AuditEvent.objects.filter(action="factor.added")} == {"totp"}
    assert secret not in str(list(AuditEvent.objects.values())) + str(list(CacheEntry.objects.values()))


def test_the_key_is_not_readable_in_the_database(factor, ada):
    from allauth.mfa.models import Authenticator

    assert factor[0] not in str(list(Authenticator.objects.values("data")))
    with override_settings(SECRET_KEY="another key than before, as after a restore without it"):
        client = sign_in()
        assert "Incorrect code" in client.post("/sign-in/second-factor", {"code": totp(factor[0])}).content.decode()
        assert not is_in(client)


def test_a_code_works_once(factor):
    secret, codes = factor
    for code in (totp(secret), codes[3]):
        for expected in (True, False):
            client = sign_in()
            client.post("/sign-in/second-factor", {"code": code})
            assert is_in(client) is expected, code


@override_settings(SIGN_IN_RATE=3)
def test_codes_cannot_be_guessed(factor):
    codes = factor[1]
    client = sign_in()
    found = [client.post("/sign-in/second-factor", {"code": f"00000{n}"}).status_code for n in range(4)]
    assert found == [200, 200, 200, 429]
    refused = client.post("/sign-in/second-factor", {"code": codes[0]})
    assert refused.status_code == 429 and "Retry-After" in refused and not is_in(client)
    assert AuditEvent.objects.filter(action="sign_in.throttled", object_name="ada").exists()
    services.unlock(actor=cli_actor(), user=User.objects.get())
    assert client.post("/sign-in/second-factor", {"code": codes[0]}).status_code == 302


@override_settings(SIGN_IN_RATE=10_000, SIGN_IN_ADDRESS_RATE=0)
def test_an_account_is_locked_after_a_hundred_failures_and_unlocked(ada, monkeypatch):
    from accounts.sign_in import throttling

    monkeypatch.setattr(throttling, "A_DAY", 3)
    known = sign_in()
    known.post("/sign-out")
    found = [Client().post("/sign-in", {"username": "ada", "password": "wrong"}).status_code for n in range(4)]
    assert found == [200, 200, 200, 429] and throttling.locked([ada]) == {ada}
    refused = Client().post("/sign-in", {"username": "ada", "password": PASSWORD})
    assert refused.status_code == 429 and "ask an administrator to unlock" in refused.content.decode()
    assert is_in(sign_in(client=known))  # the owner's browser is known
    assert throttling.locked([ada]) == set()


def test_who_must_have_a_factor_sets_it_up_first(ada):
    gallery = GalleryFactory(slug="staff")
    for required, user, has_to in (
        ("nobody", UserFactory(is_superuser=True), False),
        ("staff", UserFactory(is_staff=True), True),
        ("staff", member(gallery, Role.OWNER).user, False),
        ("owners", member(gallery, Role.OWNER).user, True),
        ("owners", member(gallery, Role.CURATOR).user, False),
        ("all", ada, True),
    ):
        with override_settings(SECOND_FACTOR=required):
            client = Client()
            client.force_login(user)
            page, call = client.get("/api-keys"), client.get("/api/v1/me")
            assert ((page.status_code, call.status_code) == (302, 403)) is has_to, (required, user)
            if has_to:
                assert page["Location"] == "/account" and "Set up a second factor" in call.json()["detail"]
                assert "must have a second factor" in client.get("/account").content.decode()
    with override_settings(SECOND_FACTOR="all"):
        client = sign_in()
        add_app(client)
        assert is_in(client)
        kept = client.post("/account/app/remove", follow=True).content.decode()
        assert "cannot deactivate" in kept and is_in(client)


def test_a_shorter_password_does_with_a_factor(ada, factor):
    client = Client()
    client.force_login(ada)
    new = {"oldpassword": PASSWORD, "password1": "eight or", "password2": "eight or"}
    assert client.post("/password", new).status_code == 302
    other = Client()
    other.force_login(UserFactory())
    page = other.post("/password", new)
    assert page.status_code == 400 and "at least 15 characters" in page.content.decode()


def test_an_operator_takes_a_lost_factor_away(factor, ada):
    client = sign_in()
    client.post("/sign-in/second-factor", {"code": factor[1][0]})
    assert is_in(client)
    call_command("user", "reset-mfa", "ada")
    assert not is_in(client) and is_in(sign_in())
    event = AuditEvent.objects.get(action="factor.reset")
    assert (event.object_name, event.details) == ("ada", {"removed": 2})
