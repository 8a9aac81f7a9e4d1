"""Links to choose a password: by e-mail and by hand, once, and not for accounts that are switched off. Password rules."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client, override_settings
from django.utils import timezone
from factories import PASSWORD, UserFactory
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.actor import cli_actor
from accounts.models import AuditEvent, User
from accounts.sign_in import throttling
from accounts.users import services
from accounts.users.invitations import make_link
from faceplatform.setting_values import email_url

pytestmark = pytest.mark.django_db
NEW = {"password1": "a few words in a row", "password2": "a few words in a row"}


@pytest.fixture
def ada() -> User:
    return UserFactory(username="ada", email="ada@example.org")


def is_in(client: Client) -> bool:
    return client.get("/account").status_code == 200


def mails() -> list[ProcrastinateJob]:
    """Those that wait to be sent."""
    return list(ProcrastinateJob.objects.filter(task_name="accounts.mails.tasks.send_link").order_by("id"))


def follow(path: str, values: dict = NEW) -> tuple[Client, object]:
    client = Client()
    form = client.get(path)
    return client, client.post(form["Location"], values) if form.status_code == 302 else form


def test_a_link_works_once_and_ends_sessions(ada):
    before = Client()
    before.force_login(ada)
    path = make_link(actor=cli_actor(), user=ada)
    client, answer = follow(path)
    assert answer.status_code == 302 and is_in(client) and not is_in(before)
    again, page = follow(path)
    assert "This link has ended" in page.content.decode() and not is_in(again)
    told = list(AuditEvent.objects.order_by("id").values_list("action", "user_name", "object_name"))
    assert told == [
        ("user.link_made", cli_actor().name, "ada"),
        ("user.password_chosen", "(not signed in)", "ada"),
        ("sign_in.succeeded", "ada", "ada"),
    ]


@pytest.mark.parametrize("why", ["late", "forged", "of another", "switched off", "signed in meanwhile"])
def test_a_link_that_is_none(ada, why, monkeypatch):
    path = make_link(actor=cli_actor(), user=ada)
    if why == "late":
        monkeypatch.setattr("django.contrib.auth.tokens.PasswordResetTokenGenerator._now", lambda self: late())
    elif why == "forged":
        path = path[:-1] + ("0" if path[-1] != "0" else "1")
    elif why == "of another":
        path = path.replace(ada.pk.hex, UserFactory().pk.hex)
    elif why == "switched off":
        services.set_active(actor=cli_actor(), user=ada, active=False)
    else:
        Client().post("/sign-in", {"username": "ada", "password": PASSWORD})
    client, _ = follow(path)
    assert not is_in(client)
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD) or why == "switched off"


def late():
    return (timezone.now() + timedelta(hours=73)).replace(tzinfo=None)


@override_settings(SENDS_EMAIL=True)
def test_a_forgotten_password_by_mail(ada):
    """How it gets there: tests/accounts/mails/."""
    client = Client()
    assert "Forgot your password?</a>" in client.get("/sign-in").content.decode()
    for address in ("nobody@example.org", "ADA@example.org"):
        assert client.post("/sign-in/forgotten", {"email": address})["Location"] == "/sign-in/forgotten/sent"
    assert [job.args["user_id"] for job in mails()] == ["", str(ada.pk)]


@override_settings(SENDS_EMAIL=True)
def test_nobody_is_flooded_with_mail(ada):
    found = [
        Client().post("/sign-in/forgotten", {"email": "ada@example.org"}, REMOTE_ADDR=f"192.0.2.{n}").status_code
        for n in range(5)
    ]
    assert found == [302] * 3 + [429] * 2 and len(mails()) == 3
    assert throttling.locked([ada]) == {ada}


def test_without_mail_an_administrator_helps():
    assert "An administrator can give you a link" in Client().get("/sign-in").content.decode()
    assert Client().get("/sign-in/forgotten").status_code == 404


def test_the_setting_of_the_mail_server():
    values = email_url("smtp://me%40x:p%2Fw@mail.example.org?from=faces@example.org")
    assert (values["EMAIL_PORT"], values["EMAIL_USE_TLS"], values["EMAIL_USE_SSL"]) == (587, True, False)
    assert (values["EMAIL_HOST_USER"], values["EMAIL_HOST_PASSWORD"]) == ("me@x", "p/w")
    for bad in ("mail.example.org", "http://x?from=a@b", "smtp://x", "smtp://?from=a@b", "smtp://x:y?from=a@b"):
        with pytest.raises(ValueError, match="smtp://"):
            email_url(bad)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short password", "at least 15"),
        ("ada@example.org!", "too similar"),
        ("passwordpassword", "too common"),
        ("abcabcabcabcabc", "too common"),
    ],
)
def test_passwords_that_are_refused(ada, password, why):
    _, page = follow(make_link(actor=cli_actor(), user=ada), {"password1": password, "password2": password})
    assert why in page.content.decode()
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_a_given_password_is_changed_first(ada, capsys):
    services.set_password(actor=cli_actor(), user=ada, password=PASSWORD)
    client = Client()
    assert client.post("/sign-in", {"username": "ADA@example.org", "password": PASSWORD}).status_code == 302
    assert client.get("/account")["Location"] == "/password"
    assert client.get("/api/v1/me").status_code == 403 and client.get("/admin/")["Location"] == "/password"
    assert "Somebody else gave you" in client.get("/password").content.decode()
    client.post("/password", {"oldpassword": PASSWORD, **NEW})
    assert is_in(client)
    call_command("administrator", "ada")
    ada.refresh_from_db()
    assert ada.must_change_password and capsys.readouterr().out
