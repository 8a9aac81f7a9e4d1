"""Single sign-on against a real OpenID Connect provider, which runs beside the test."""

import time
import warnings
from urllib.parse import urlsplit

import pytest
import requests
from django.core.management import call_command
from django.test import Client
from factories import PASSWORD, GalleryFactory, UserFactory, member

from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.sign_in.middleware import SIGNED_IN_AT
from faceplatform.setting_values import oidc_roles

pytestmark = [
    pytest.mark.django_db,
    # The provider's own, of the library that it is made with.
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning:authlib.*", "ignore::DeprecationWarning:oidc_provider_mock.*"
    ),
]


@pytest.fixture(scope="module")
def provider():
    """Its address."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the provider's own, of the library that it is made with
        from oidc_provider_mock import run_server_in_thread
    with run_server_in_thread() as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(autouse=True)
def sso(settings, provider):
    settings.OIDC_ISSUER, settings.OIDC_NAME = provider, "Example"
    settings.OIDC_ROLES = [
        ("admins", "administrator", ""),
        ("it", "staff", ""),
        ("hr", "owner", "staff"),
        ("door", "viewer", "staff"),
        ("door", "viewer", "not-there"),
    ]
    app = {"provider_id": "sso", "name": "Example", "client_id": "faces", "secret": "s3cret"}
    app["settings"] = {"server_url": provider}
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
    return provider


@pytest.fixture
def gallery():
    gallery = GalleryFactory(slug="staff")
    member(gallery, Role.OWNER)  # so that it keeps one
    return gallery


def know(provider: str, sub: str, **claims) -> None:
    """The provider knows `sub` and says `claims` of them."""
    requests.put(f"{provider}/users/{sub}", json=claims, timeout=5).raise_for_status()


def come(sub: str, client: Client | None = None, address: str = "/sign-in/with/sso"):
    """Signs in as a browser does; returns the client and the answer that the provider led to."""
    client = client or Client(SERVER_NAME="localhost")
    away = client.get(address)["Location"]
    back = requests.post(away, data={"sub": sub}, allow_redirects=False, timeout=5).headers["Location"]
    url = urlsplit(back)
    assert url.path == "/sign-in/with/sso/back"
    return client, client.get(f"{url.path}?{url.query}")


def rights(user: User) -> tuple:
    user = User.objects.get(pk=user.pk)
    return user.is_staff, user.is_superuser, [m.get_role_display() for m in user.memberships.all()]


def test_a_newcomer_gets_an_account_and_what_the_claim_says(gallery, sso):
    know(sso, "s-ada", preferred_username="ada", email="Ada@Example.org", email_verified=True, groups=["door", "choir"])
    page = Client().get("/sign-in?next=/audit").content.decode()
    assert "Sign in with Example" in page and "/sign-in/with/sso?next=/audit" in page
    client, answer = come("s-ada", address="/sign-in/with/sso?next=/audit")
    assert answer["Location"] == "/audit" and client.get("/api/v1/me").json()["username"] == "ada"
    ada = User.objects.get(username="ada")
    assert (
        rights(ada) == (False, False, ["Viewer"]) and ada.email == "ada@example.org" and not ada.has_usable_password()
    )
    told = list(AuditEvent.objects.order_by("id").values_list("action", "user_name"))
    assert told == [("user.created", "single sign-on"), ("member.set", "single sign-on"), ("sign_in.succeeded", "ada")]

    know(sso, "s-ada", preferred_username="ada", groups=["hr", "it"])
    come("s-ada")
    assert rights(ada) == (True, False, ["Owner"]) and User.objects.filter(username__startswith="ada").count() == 1
    know(sso, "s-ada", preferred_username="ada", groups=["choir"])
    client, answer = come("s-ada")
    assert answer.status_code == 403 and "no role" in answer.content.decode()
    assert rights(ada) == (False, False, []) and client.get("/audit").status_code == 302


def test_an_account_that_is_here_is_linked_by_an_address_that_is_vouched_for(gallery, sso):
    here = UserFactory(username="grace", email="grace@example.org")
    know(sso, "s-fake", preferred_username="grace", email="grace@example.org", email_verified=False, groups=["door"])
    come("s-fake")
    other = User.objects.get(username__startswith="grace", email="")
    assert other.pk != here.pk and other.username != "grace"
    know(sso, "s-grace", preferred_username="gh", email="GRACE@example.org", email_verified=True, groups=["door"])
    client, _ = come("s-grace")
    assert client.get("/api/v1/me").json()["username"] == "grace" and rights(here)[2] == ["Viewer"]
    assert AuditEvent.objects.get(action="user.linked").object_id == str(here.pk)


def test_the_last_administrator_and_owner_stay_and_a_switched_off_account_stays_out(sso):
    gallery = GalleryFactory(slug="staff")
    know(sso, "s-boss", preferred_username="boss", groups=["admins", "hr"])
    come("s-boss")
    boss = User.objects.get(username="boss")
    assert rights(boss) == (True, True, ["Owner"]) and gallery.memberships.count() == 1
    know(sso, "s-boss", preferred_username="boss", groups=["door"])
    come("s-boss")
    assert rights(boss) == (True, True, ["Owner"])
    UserFactory(is_superuser=True)
    User.objects.filter(pk=boss.pk).update(is_active=False)
    client, answer = come("s-boss")
    assert answer["Location"] == "/sign-in/switched-off" and client.get("/audit").status_code == 302
    assert "switched off" in client.get(answer["Location"]).content.decode()


def test_what_the_provider_did_not_send_is_refused(sso, settings):
    client = Client(SERVER_NAME="localhost")
    for query in ("code=x&state=y", "error=access_denied&state=y", "code=x", "", "code=%00&state=%00"):
        answer = client.get(f"/sign-in/with/sso/back?{query}", follow=True)
        assert answer.status_code in (200, 401) and "Signing in failed" in answer.content.decode(), query
        assert client.get("/audit").status_code == 302
    settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["settings"]["server_url"] = "http://127.0.0.1:9"
    down = client.get("/sign-in/with/sso")
    assert down.status_code == 503 and "Example cannot be reached" in down.content.decode()
    settings.OIDC_ISSUER = ""
    assert client.get("/sign-in/with/sso").status_code == 404
    assert "Sign in with Example" not in client.get("/sign-in").content.decode()


def test_who_has_no_password_signs_in_again_for_sensitive_acts(sso, settings):
    settings.OIDC_ROLES = []
    know(sso, "s-zoe", preferred_username="zoe")
    client, _ = come("s-zoe")
    session = client.session
    session[SIGNED_IN_AT] = time.time() - 700
    session.save()
    form = {"name": "door", "scopes": ["read"], "days": "30"}
    asked = client.post("/api-keys", form)
    assert asked["Location"] == "/account/confirm/sso?next=%2Fapi-keys"
    away = "/sign-in/with/sso?next=/api-keys"
    assert f'href="{away}"' in client.get(asked["Location"]).content.decode()
    assert "prompt=login" in client.get(away)["Location"]
    assert (
        "prompt=" not in Client(SERVER_NAME="localhost").get("/sign-in/with/sso?auth_params=prompt%3Dnone")["Location"]
    )
    _, answer = come("s-zoe", client, away)
    assert answer["Location"] == "/api-keys" and "copy the key now" in client.post("/api-keys", form).content.decode()
    assert client.get("/sign-in/with/sso?process=connect").status_code == 404


@pytest.mark.parametrize("text", ["it", "it=boss", "it=owner", "it=staff@gallery", "=staff", "it=viewer@"])
def test_roles_that_mean_nothing_are_refused(text):
    with pytest.raises(ValueError, match="ROLE@GALLERY"):
        oidc_roles(text)
    assert oidc_roles("ou=x=staff, a = viewer@hall ,") == [("ou=x", "staff", ""), ("a", "viewer", "hall")]


def test_without_local_sign_in_the_operator_gets_back_in(sso, settings, capsys):
    settings.LOCAL_SIGN_IN = False
    admin = UserFactory(username="admin", is_superuser=True)
    client = Client()
    page = client.get("/sign-in").content.decode()
    assert "Sign in with Example" in page and 'name="password"' not in page
    refused = client.post("/sign-in", {"username": "admin", "password": PASSWORD})
    assert refused.status_code == 403 and client.get("/audit").status_code == 302
    assert client.post("/sign-in/passkey", {"credential": "{}"}).status_code == 403
    call_command("user", "link", "admin")
    link = urlsplit(capsys.readouterr().out.strip()).path
    chosen = {"password1": "a way back for the operator", "password2": "a way back for the operator"}
    assert client.post(client.get(link)["Location"], chosen).status_code == 302
    assert client.get("/audit").status_code == 200
    assert User.objects.get(pk=admin.pk).check_password(chosen["password1"])
