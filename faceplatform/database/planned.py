"""Queries that PostgreSQL plans once per connection, for where planning would take as long as execution.

Django puts the parameters into the text of a query, so that the database sees a new query each time. Here the database binds
them. A statement stays planned until a transaction on its connection is rolled back: then psycopg forgets all of them.
What this uses of Django and psycopg although it is not documented is held by
tests/faceplatform/database/test_contracts_psycopg.py.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper


class PlannedCursor(psycopg.Cursor):
    def execute(self, *arguments: Any, **options: Any) -> "PlannedCursor":
        """Only for now does psycopg note what it is asked: else it would keep the last hundred texts of the ORM on each
        connection, with the photos in them."""
        self.connection.prepare_threshold = 0
        try:
            return super().execute(*arguments, **options)
        finally:
            self.connection.prepare_threshold = None


def planned_cursor() -> CursorWrapper:
    """A cursor whose statements are planned once.

    Not for writes that pghistory tracks: it puts its own statement in front of the query.
    """
    connection.ensure_connection()
    # Django's stubs do not know the method.
    return connection._prepare_cursor(PlannedCursor(connection.connection))  # type: ignore[attr-defined]


@contextmanager
def planned_once(settings: Sequence[str]) -> Iterator[CursorWrapper]:
    """A `planned_cursor` in a transaction.

    settings: names of PostgreSQL settings that the block changes with `set_config(…, true)`. They are back to their defaults
    after the block, even if it runs inside an outer transaction.
    """
    nested = connection.in_atomic_block
    with transaction.atomic(savepoint=False):
        with planned_cursor() as cursor:
            yield cursor
        if nested:
            with connection.cursor() as cursor:
                cursor.execute("; ".join(f"SET LOCAL {name} TO DEFAULT" for name in settings))
