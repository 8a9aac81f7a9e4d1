"""What only shows with several connections: a code that is sent twice at once, and the upgrade of a filled database."""

import threading

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from factor_codes import totp
from factories import PASSWORD, UserFactory

from accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_code_that_is_sent_twice_at_once_works_once():
    user, owner = UserFactory(username="ada"), Client()
    owner.force_login(user)
    page = owner.get("/account/app")
    secret = page.context["form"].secret
    codes = owner.post("/account/app", {"code": totp(secret)}, follow=True).context["unused_codes"]
    for code in (totp(secret), codes[0]):
        clients, start = [Client(), Client()], threading.Barrier(2)
        for client in clients:
            client.post("/sign-in", {"username": "ada", "password": PASSWORD})

        def send(client, start=start, code=code):
            start.wait()
            client.post("/sign-in/second-factor", {"code": code})
            connection.close()

        threads = [threading.Thread(target=send, args=[client]) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(client.get("/account").status_code for client in clients) == [200, 302], code


def test_accounts_and_sessions_survive_the_upgrade():
    user, client = UserFactory(username="ada"), Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    call_command("migrate", "accounts", "0008", verbosity=0)
    try:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE accounts_user SET email = 'Ada@Example.org'")
    finally:
        call_command("migrate", verbosity=0)
    assert client.get("/account").status_code == 200
    user = User.objects.get()
    assert (user.email, user.must_change_password) == ("ada@example.org", False)
    signed_in = Client().post("/sign-in", {"username": "ADA@example.org", "password": PASSWORD})
    assert signed_in["Location"] == "/"
