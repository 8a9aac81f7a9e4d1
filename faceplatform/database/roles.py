"""Two roles in the database: the owner of the tables, and the one that uses them.

Web, workers, jobs and commands connect as the second. It reads and writes rows; it cannot change a table, switch off a
trigger, or touch what it has no business with in the audit. The owner applies migrations, which also grant the other its
rights, and makes the vector indexes, because PostgreSQL lets nobody else. Both are made by the embedded server; on a server of
your own the owner is FACEPLATFORM_OWNER_DATABASE_URL. Without that there is one role, and nothing here does anything.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.apps import apps
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.backends.utils import CursorWrapper

LOCK = 0x9A57  # advisory lock: rights are granted by one process at a time
USES = ("SELECT", "INSERT", "UPDATE", "DELETE")
USES_OF = {"django_migrations": ("SELECT",)}  # and of each model with `runtime_rights`
MAINTAIN = "MAINTAIN"  # ANALYZE and VACUUM, and to clear statistics
MAINTAIN_FROM = 170000

OWNED = """
SELECT class.relname, class.relkind = 'S' FROM pg_class class
WHERE class.relnamespace = current_schema()::regnamespace AND class.relkind = ANY ('{r,p,v,m,S}')
  AND pg_has_role(class.relowner, 'USAGE')
  AND NOT EXISTS (
      SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = class.oid AND deptype = 'e'
  )
ORDER BY class.relname
"""
WHERE = "SELECT current_database(), current_schema(), current_setting('server_version_num')::integer"


@contextmanager
def owner(alias: str = DEFAULT_DB_ALIAS, *, database: str | None = None) -> Iterator[None]:
    """What this thread does in the block is done by the owner, on a connection of its own. Not for use in a transaction.

    database: another one of the same server. With one role, that role is the owner.
    """
    if not settings.OWNER_DATABASE and database is None:
        yield
        return
    usual = connections[alias]
    if usual.in_atomic_block:
        raise transaction.TransactionManagementError("The owner does not see what this transaction has written.")
    name = {"NAME": database or usual.settings_dict["NAME"]}
    # A pool is one for the alias, whoever asks it.
    options = {} if settings.OWNER_DATABASE else {**usual.settings_dict["OPTIONS"], "pool": False}
    connections[alias] = type(usual)(
        {**usual.settings_dict, "OPTIONS": options, **settings.OWNER_DATABASE, **name}, alias
    )
    try:
        yield
    finally:
        connections[alias].close()
        connections[alias] = usual


def current(alias: str = DEFAULT_DB_ALIAS) -> str:
    """The role that this thread's statements run as."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT current_user")
        return cursor.fetchone()[0]


def grant(role: str) -> None:
    """Lets `role` use the tables of the current role, which is their owner. A model with `runtime_rights` says all that it may
    do there, such as `("INSERT", "UPDATE (name)")`."""
    if role == current():
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        for statement in _statements(cursor, connection.ops.quote_name(role)):
            cursor.execute(statement)


def _statements(cursor: CursorWrapper, role: str) -> Iterator[str]:
    cursor.execute(WHERE)
    database, schema, version = cursor.fetchone()
    cursor.execute(OWNED)
    owned = cursor.fetchall()
    tables = [name for name, is_sequence in owned if not is_sequence]
    sequences = [name for name, is_sequence in owned if is_sequence]
    maintain = [MAINTAIN] if version >= MAINTAIN_FROM else []

    yield f"GRANT CONNECT ON DATABASE {_quoted(database)} TO {role}"
    yield f"GRANT USAGE ON SCHEMA {_quoted(schema)} TO {role}"
    # What it could make itself might be taken for what a trigger means.
    yield f"REVOKE CREATE ON SCHEMA {_quoted(schema)} FROM PUBLIC, {role}"
    yield f"REVOKE CREATE, TEMPORARY ON DATABASE {_quoted(database)} FROM PUBLIC, {role}"
    if sequences:
        yield f"GRANT USAGE, SELECT ON SEQUENCE {_quoted(*sequences)} TO {role}"
    if tables:
        yield f"REVOKE ALL ON {_quoted(*tables)} FROM {role}"
    for table in tables:
        yield f"GRANT {', '.join([*_uses_of(table), *maintain])} ON {_quoted(table)} TO {role}"


def _uses_of(table: str) -> Sequence[str]:
    rights = {model._meta.db_table: getattr(model, "runtime_rights", USES) for model in apps.get_models()}
    return {**rights, **USES_OF}.get(table, USES)


def _quoted(*names: str) -> str:
    return ", ".join(connection.ops.quote_name(name) for name in names)
