"""Reads that PostgreSQL plans once a connection, where planning would take as long as running them.

Django puts the parameters into the text of a query, so that each is a new one to the database. Here the database binds them.
A statement stays planned until a transaction of its connection is rolled back: psycopg forgets them all then.
What this leans on, though it is not documented, is held by tests/faceplatform/database/test_contracts_psycopg.py.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper


def planned_cursor() -> CursorWrapper:
    """Needs `prepare_threshold` in the settings' DATABASES. Not for what pghistory tracks: it puts statements before others."""
    connection.ensure_connection()
    return connection._prepare_cursor(psycopg.Cursor(connection.connection))


@contextmanager
def planned_once(settings: Sequence[str]) -> Iterator[CursorWrapper]:
    """A `planned_cursor` in a transaction.

    settings: PostgreSQL's, that the block sets with `set_config(…, true)`. They end with it, also in an outer transaction.
    """
    nested = connection.in_atomic_block
    with transaction.atomic(savepoint=False):
        with planned_cursor() as cursor:
            yield cursor
        if nested:
            with connection.cursor() as cursor:
                cursor.execute("; ".join(f"SET LOCAL {name} TO DEFAULT" for name in settings))
