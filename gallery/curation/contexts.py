"""Who made a change to people and faces is kept with the change (see history.py), and goes when the change has gone."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection
from pghistory.models import Context, Event
from psycopg import sql

BATCH = 1_000
YOUNGEST = timedelta(days=1)  # a transaction that is still running may add changes to a younger one

DELETE = sql.SQL("""
WITH part AS (
    SELECT id, created_at FROM {contexts} WHERE id > %(after)s ORDER BY id LIMIT %(batch)s
), deleted AS (
    DELETE FROM {contexts} context USING part
    WHERE context.id = part.id AND part.created_at < now() - %(youngest)s {unused}
    RETURNING context.id
)
SELECT (SELECT id FROM part ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM deleted)
""")
UNUSED = sql.SQL("AND NOT EXISTS (SELECT FROM {table} change WHERE change.pgh_context_id = context.id)")


def delete_empty_contexts() -> int:
    """Deletes the contexts of changes that have all been purged, BATCH per statement. Returns how many."""
    unused = [UNUSED.format(table=sql.Identifier(table)) for table in history_tables()]
    statement = DELETE.format(contexts=sql.Identifier(Context._meta.db_table), unused=sql.SQL(" ").join(unused))
    values: dict[str, Any] = {"after": UUID(int=0), "batch": BATCH, "youngest": YOUNGEST}
    total = 0
    with connection.cursor() as cursor:
        while values["after"] is not None:
            cursor.execute(statement, values)
            values["after"], deleted = cursor.fetchone()
            total += deleted
    return total


def history_tables() -> list[str]:
    """The tables of all models that keep changes with a context."""
    models = [model for model in apps.get_models() if issubclass(model, Event)]
    return sorted(
        {model._meta.db_table for model in models if any(f.name == "pgh_context" for f in model._meta.fields)}
    )
