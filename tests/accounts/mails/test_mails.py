"""E-mails to accounts, to a real SMTP server on this machine: queued by requests, sent by the job worker."""

import re
import time
from email.header import decode_header, make_header
from urllib.parse import urlsplit

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from factories import PASSWORD, UserFactory
from job_queue import jobs, run_waiting_jobs
from traces_left import traces_of

from accounts.actor import cli_actor
from accounts.mails.tasks import PATIENCE
from accounts.models import User
from accounts.users import invitations, services
from faceplatform.processes.jobs import is_held, latest_failures
from faceplatform.processes.tasks import requeue_lost_jobs

pytestmark = pytest.mark.django_db(transaction=True)
MEANWHILE = ["switched off", "signed in", "another address", "another password", "gone"]
CHOSEN = {"password1": "a few words in a row", "password2": "a few words in a row"}
ADDRESS = "ada.quastenflosser@example.org"
THEIRS = {"accounts_user.email", "account_emailaddress.email"}  # the account's own


@pytest.fixture
def ada():
    return UserFactory(username="ada", email=ADDRESS)


def forget(address: str = ADDRESS) -> float:
    """Asks for a link as somebody who forgot the password does. Returns the seconds it took."""
    begin = time.monotonic()
    assert Client().post("/sign-in/forgotten", {"email": address})["Location"] == "/sign-in/forgotten/sent"
    return time.monotonic() - begin


def link_in(message) -> str:
    return urlsplit(re.search(r"http://testserver/\S+", message.get_content())[0]).path


def make_due() -> None:
    """Retries are not waited for."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'")


def test_it_is_sent_after_the_commit_and_leaves_neither_link_nor_address(mail_server, ada):
    forget()
    assert not mail_server.received and jobs() == [("send_link", "deliveries", "todo")]
    assert traces_of(ADDRESS) <= THEIRS
    run_waiting_jobs()
    [(recipient, message)] = mail_server.received
    assert recipient == ADDRESS and message["Subject"] == "Choose a new password" and "“ada”" in message.get_content()
    link = link_in(message)
    key = link.rstrip("/").rpartition("/")[2]
    assert traces_of(ADDRESS, link, key) <= THEIRS
    client = Client()
    assert client.post(client.get(link)["Location"], CHOSEN).status_code == 302
    assert client.get("/account").status_code == 200


def test_an_act_that_is_rolled_back_sends_nothing(mail_server):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        invitations.invite(actor=cli_actor(), username="new", email=ADDRESS, is_staff=True, site="http://testserver")
        raise ZeroDivisionError
    run_waiting_jobs()
    assert not mail_server.received and jobs() == []
    invitations.invite(actor=cli_actor(), username="new", email=ADDRESS, is_staff=True, site="http://testserver")
    run_waiting_jobs()
    assert [recipient for recipient, _ in mail_server.received] == [ADDRESS]


def test_what_is_not_taken_is_tried_again_and_once_for_good(mail_server, ada):
    mail_server.refuses = True
    forget()
    run_waiting_jobs()
    [failure] = latest_failures()
    assert failure.next_try is not None and not mail_server.received
    mail_server.refuses = False
    make_due()
    run_waiting_jobs()
    run_waiting_jobs()
    assert len(mail_server.received) == 1 and jobs() == [("send_link", "deliveries", "succeeded")]


def test_a_server_that_stays_away_is_told_on_the_system_page(settings, ada):
    settings.SENDS_EMAIL = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    forget()
    for _ in range(PATIENCE.max_attempts + 1):
        run_waiting_jobs()
        make_due()
    [failure] = latest_failures()
    assert failure.next_try is None and failure.attempts == PATIENCE.max_attempts + 1
    operator = Client()
    operator.force_login(UserFactory(is_superuser=True, is_staff=True))
    page = operator.get("/system").content.decode()
    assert "send_link" in page and "kind: forgotten" in page and "Given up" in page
    assert traces_of(ADDRESS) <= THEIRS


def test_pages_do_not_wait_for_a_server_that_says_nothing(mail_server, ada, settings):
    """And take as long for an address that nobody has: each queues one job."""
    mail_server.hangs, settings.EMAIL_TIMEOUT = True, 2
    assert max(forget(), forget("nobody@example.org")) < settings.EMAIL_TIMEOUT
    assert jobs() == [("send_link", "deliveries", "todo")] * 2
    run_waiting_jobs()
    assert jobs() == [("send_link", "deliveries", "todo"), ("send_link", "deliveries", "succeeded")]
    mail_server.hangs = False
    make_due()
    run_waiting_jobs()
    assert [recipient for recipient, _ in mail_server.received] == [ADDRESS]


def test_known_and_unknown_addresses_ask_the_database_the_same(mail_server, ada):
    asked = []
    for address in (ADDRESS, "nobody@example.org"):
        with CaptureQueriesContext(connection) as queries:
            forget(address)
        asked.append([str(query["sql"]).partition(" ")[0] for query in queries])
    assert asked[0] == asked[1] and len(asked[0]) > 2 and len(jobs()) == 2


def test_it_is_written_in_the_readers_language(mail_server, ada):
    for language in ("fr", ""):
        User.objects.update(language=language)
        invitations.make_link(actor=cli_actor(), user=ada, site="http://testserver")
        run_waiting_jobs()
    subjects = [str(make_header(decode_header(message["Subject"]))) for _, message in mail_server.received]
    assert subjects == ["Votre compte sur testserver", "Your account at testserver"]


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_a_link_that_would_be_void_by_now_is_not_sent(mail_server, ada, meanwhile):
    forget()
    if meanwhile == "switched off":
        services.set_active(actor=cli_actor(), user=ada, active=False)
    elif meanwhile == "signed in":
        assert Client().post("/sign-in", {"username": "ada", "password": PASSWORD}).status_code == 302
    elif meanwhile == "another address":
        User.objects.update(email="other@example.org")
    elif meanwhile == "another password":
        services.set_password(actor=cli_actor(), user=ada, password="words of somebody else")
    else:
        services.delete_user(actor=cli_actor(), user=ada)
    run_waiting_jobs()
    assert not mail_server.received and jobs() == [("send_link", "deliveries", "succeeded")]


def test_the_mail_of_a_killed_worker_is_sent_again_under_the_same_number(mail_server, ada):
    forget()
    run_waiting_jobs()
    with connection.cursor() as cursor:  # as if it had been killed before it wrote down that it was done
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = NULL")
        cursor.execute("SELECT id, attempts FROM procrastinate_jobs")
        former = cursor.fetchone()
    assert is_held(*former)
    requeue_lost_jobs()
    assert not is_held(*former), "if it wakes, it leaves the mail to the next"
    run_waiting_jobs()
    first, second = (message["Message-ID"] for _, message in mail_server.received)
    assert first == second
