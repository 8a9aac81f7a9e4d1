"""Each class of database error has a name of its own, and its cause is in the log."""

import errno
import logging
from types import SimpleNamespace

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction

from faceplatform.database import trouble
from faceplatform.database.listen import connection_parameters
from faceplatform.database.postgres import PostgresError
from faceplatform.database.trouble import trouble_of, unavailable

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_told_yet(monkeypatch):
    monkeypatch.setattr(trouble, "_logged_at", {})
    monkeypatch.setattr(trouble, "_disk_full_at", float("-inf"))


def error_of(sql: str) -> Exception:
    """What PostgreSQL answers, as Django raises it."""
    with pytest.raises(DatabaseError) as raised, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    return raised.value


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SET LOCAL statement_timeout = 20; SELECT pg_sleep(5)", "database_busy"),
        ("SELECT nothing FROM no_such_table", "database_outdated"),
        ("SELECT no_such_column FROM accounts_user", "database_outdated"),
        ("CREATE ROLE nobody_at_all; SET LOCAL ROLE nobody_at_all; SELECT * FROM accounts_user", "database_refused"),
    ],
)
def test_real_errors_have_a_name(sql, code):
    assert unavailable(error_of(sql)).code == code


@pytest.mark.django_db(transaction=True)
def test_a_database_that_can_only_be_read():
    error = error_of("SET TRANSACTION READ ONLY; DELETE FROM accounts_user")
    assert unavailable(error).code == "database_read_only"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("53100", "disk_full"),
        ("53200", "database_failed"),  # out of memory
        ("53300", "database_busy"),  # too many connections
        ("58030", "database_failed"),  # a file cannot be read
        ("XX001", "database_failed"),  # damaged
        ("57P01", "database_unavailable"),  # being stopped
        ("57P03", "database_unavailable"),  # being started
        ("40P01", "database_busy"),  # a deadlock
        ("40001", "database_busy"),
        ("55P03", "database_busy"),
        ("28P01", "database_refused"),
        ("3D000", "database_refused"),
    ],
)
def test_classes_of_errors(state, code, caplog):
    error = error_of(f"DO $$ BEGIN RAISE EXCEPTION 'for a reason' USING ERRCODE = '{state}'; END $$")
    answer = unavailable(error)
    assert (answer.code, answer.status) == (code, 503) and answer.retry_after
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith(f"{code}: ") and f"{state}: for a reason" in record.getMessage()


@pytest.mark.parametrize("sql", ["SELECT 1/0", "SELECT 'x'::int", "RAISE"])
def test_other_errors_are_faults_of_ours(sql, caplog):
    assert unavailable(error_of(sql)) is None
    assert unavailable(IntegrityError("taken")) is unavailable(ValueError("x")) is unavailable(None) is None
    assert not caplog.records


def test_what_ends_an_attempt_to_connect():
    parameters = connection_parameters() | {"dbname": "no_such_database"}
    with pytest.raises(psycopg.OperationalError) as raised:
        psycopg.connect(**parameters)
    assert trouble_of(raised.value).code == "database_refused"
    for words, code in {
        'FATAL:  password authentication failed for user "x"': "database_refused",
        "FATAL:  sorry, too many clients already": "database_busy",
        'connection to server at "10.0.0.1", port 5432 failed: Connection refused': "database_unavailable",
    }.items():
        assert trouble_of(OperationalError(words)).code == code


def test_one_line_a_while(caplog):
    for _ in range(5):
        unavailable(OperationalError("server closed the connection unexpectedly"))
    unavailable(OSError(errno.ENOSPC, "No space left on device"))
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["database_unavailable", "disk_full"]


def test_a_full_disk_that_ended_the_embedded_database(monkeypatch, settings):
    """It is out of reach then; what it says, and the disk, tell why."""
    assert unavailable(PostgresError("PostgreSQL does not start. …: No space left on device")).code == "disk_full"
    assert trouble.disk_full_lately()
    settings.EMBEDDED_POSTGRES = True
    lost = OperationalError("the connection is lost")
    assert unavailable(lost).code == "database_unavailable"
    monkeypatch.setattr(trouble.os, "statvfs", lambda path: SimpleNamespace(f_bavail=1, f_frsize=4096))
    assert unavailable(lost).code == "disk_full"
    settings.EMBEDDED_POSTGRES = False
    assert unavailable(lost).code == "database_unavailable"


def test_the_cause_tells_no_values():
    error = error_of(
        "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100', DETAIL = 'Grace Hopper'; END $$"
    )
    assert trouble.described(error) == "disk_full: OperationalError 53100: could not extend file"
