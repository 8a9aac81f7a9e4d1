"""How long the server lets a process wait and hold, and how soon one is back; each is asked in a process of its own."""

import os
import signal
import time

import pytest
from database_server import DatabaseServer, url
from django.db import connection, transaction
from hosts import Host
from other_process import run_elsewhere, start_elsewhere

from faceplatform.database.limits import computing

pytestmark = pytest.mark.django_db(transaction=True)
SHOWN = """
from django.db import connection, transaction
from faceplatform.database.limits import limit_holding, limit_waiting
{}
def shown(name):
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {{name}}")
        return cursor.fetchone()[0]
print(shown("idle_in_transaction_session_timeout"), shown("lock_timeout"), shown("statement_timeout"))
"""


@pytest.mark.parametrize(
    ("limits", "shown"),
    [
        ("", "0 0 0"),  # a job may compute within a transaction
        ("limit_holding()", "30s 0 0"),  # as long as a lease
        ("limit_waiting()", "1min 5s 30s"),
        ("connection.settings_dict['OPTIONS']['options'] = '-c lock_timeout=7s'; limit_waiting()", "1min 7s 30s"),
    ],
)
def test_limits_of_a_kind_of_process(limits, shown, tmp_path):
    assert run_elsewhere(SHOWN.format(limits), tmp_path) == shown


def test_who_computes_in_a_transaction_says_so_for_that_one_alone():
    with connection.cursor() as cursor:
        with transaction.atomic():
            computing()
            cursor.execute("SHOW idle_in_transaction_session_timeout")
            assert cursor.fetchone() == ("10min",)
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("0",)


HOLDS = """
from django.db import connection, transaction
from faceplatform.database.limits import limit_holding
limit_holding()
with transaction.atomic(), connection.cursor() as cursor:
    cursor.execute("SELECT FROM recognition_worker FOR UPDATE")
    print("held", flush=True)
    input()
"""


def test_what_a_frozen_worker_has_locked_is_free_when_its_lease_is(living_worker, tmp_path):
    worker = start_elsewhere(HOLDS, tmp_path, FACEPLATFORM_LEASE_SECONDS="2")
    try:
        assert worker.stdout.readline() == "held\n"
        os.kill(worker.pid, signal.SIGSTOP)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '30s'")
            cursor.execute("UPDATE recognition_worker SET last_seen_at = now()")
            assert cursor.rowcount == 1
            cursor.execute("RESET lock_timeout")
    finally:
        worker.kill()
        worker.communicate()


ASKS = """
from django.db import OperationalError, connection
while True:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        print("answered", flush=True)
    except OperationalError:
        print("not answered", flush=True)
    connection.close()
"""
AWAY = 17.0  # seconds; psycopg's pool would next try after about 31 in all


@pytest.mark.campaign
def test_a_process_is_back_soon_after_a_long_outage(tmp_path):
    database = DatabaseServer.new(Host("127.0.0.20"))
    asking = start_elsewhere(ASKS, tmp_path, DATABASE_URL=url(database))
    try:
        assert asking.stdout.readline() == "answered\n"
        database.kill()
        while asking.stdout.readline() == "answered\n":
            pass
        time.sleep(AWAY)
        database.start()
        began = time.monotonic()
        while asking.stdout.readline() != "answered\n":
            pass
        print(f"back after {time.monotonic() - began:.1f} s")
        assert time.monotonic() - began < 6
    finally:
        asking.kill()
        asking.communicate()
        database.stop()
