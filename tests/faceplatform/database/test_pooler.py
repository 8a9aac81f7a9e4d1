"""The platform through PgBouncer: all of it in session mode; in transaction mode LISTEN, locks and limits are lost."""

import subprocess
import sys

import pytest
from factories import GalleryFactory, member
from other_process import run_elsewhere
from pooler import Pooler
from web_process import ROOT, WebProcess

from accounts.keys.services import create_api_key
from accounts.roles import Role
from recognition.lab.bench.api.client import Client, form

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pooler(request):
    made = Pooler(getattr(request, "param", "session"))
    yield made
    made.stop()


def test_web_and_worker_through_a_pooler(pooler, tmp_path, pack_dir, hopper):
    """Prepared statements, LISTEN for who waits, the worker's locks; and nothing of one session is left to the next."""
    curator = member(GalleryFactory(slug="staff"), Role.CURATOR)
    key = create_api_key(actor=curator, user=curator.user, scopes=["recognize", "read", "enrol"])[1]
    web = WebProcess(tmp_path, DATABASE_URL=pooler.url)
    command = [sys.executable, "manage.py", "recognition_worker"]
    worker = subprocess.Popen(command, cwd=ROOT, env=web.environment)
    client = Client(web.address, key)
    try:
        person = client.call_checked("POST", "/identities", {"gallery": "staff", "name": "Grace Hopper"})
        data, headers = form({"photos": hopper})
        path = f"/identities/{person['id']}/samples"
        while (enrolled := client.call("POST", path, data, headers | {"Prefer": "wait=30"})).status == 503:
            client.close()  # no worker yet
        assert enrolled.status == 201, enrolled
        data, headers = form({"photo": hopper}, gallery="staff")
        found = [client.call("POST", "/recognitions", data, headers | {"Prefer": "wait=30"}) for _ in range(4)]
        assert [answer.status for answer in found] == [201] * 4
        assert {answer.body["faces"][0]["identity"]["name"] for answer in found} == {"Grace Hopper"}
    finally:
        client.close()
        worker.terminate()
        worker.wait(60)
        web.stop()
    shown = "from django.db import connection as c; cursor = c.cursor(); cursor.execute('SHOW statement_timeout')\n"
    assert run_elsewhere(f"{shown}print(cursor.fetchone())", tmp_path, DATABASE_URL=pooler.url) == "('0',)"


HEARD = """
import time
from faceplatform.database.listen import Hub
hub = Hub(("pooled",))
with hub.subscription("pooled") as subscription:
    time.sleep(1)
    subscription.was_notified()  # of the connection itself
    from django.db import connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('pooled', '')")
    time.sleep(1)
    print(subscription.was_notified())
hub.close()
"""
LOCKED = """
import psycopg
from faceplatform.database.listen import connection_parameters
unprepared = connection_parameters() | {"prepare_threshold": None, "autocommit": True}
one, other = (psycopg.connect(**unprepared) for _ in range(2))
print([connection.execute("SELECT pg_try_advisory_lock(77)").fetchone()[0] for connection in (one, other)])
"""
PREPARED = """
import psycopg
from faceplatform.database.listen import connection_parameters
prepared = connection_parameters() | {"prepare_threshold": 0, "autocommit": True}
one, other = (psycopg.connect(**prepared) for _ in range(2))
try:
    print([connection.execute("SELECT 5").fetchone()[0] for connection in (one, other)])
except psycopg.Error as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("pooler", "heard", "locked", "prepared"),
    [
        ("session", "True", "[True, False]", "[5, 5]"),
        ("transaction", "False", "[True, True]", "DuplicatePreparedStatement"),
    ],
    indirect=["pooler"],
)
def test_what_needs_session_mode(pooler, heard, locked, prepared, tmp_path):
    """In transaction mode two sessions are one to the server: a lock keeps nobody out."""
    assert run_elsewhere(HEARD, tmp_path, DATABASE_URL=pooler.url) == heard
    assert run_elsewhere(LOCKED, tmp_path, DATABASE_URL=pooler.url) == locked
    assert run_elsewhere(PREPARED, tmp_path, DATABASE_URL=pooler.url) == prepared
