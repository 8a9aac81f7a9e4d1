"""Databases made for a while beside the platform's own, on the same server: to restore a backup into, and to look at it."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from faceplatform.database.dumping import owner_of_tables
from faceplatform.errors import Conflict, Unavailable

SUFFIX = "_scratch_"
LOCK = 0x5C7A7C  # advisory lock, so that nobody drops a scratch database before it is in use
LOCALE = """
SELECT pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider,
       coalesce(to_jsonb(db) ->> 'datlocale', to_jsonb(db) ->> 'daticulocale'),
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
FROM pg_database db WHERE datname = %s
"""
PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"


@contextmanager
def scratch_database() -> Iterator[str]:
    """The name of an empty database like the platform's own, dropped at the end of the block unless it was renamed.

    Those that a killed process left are dropped too. Raises Unavailable (no_scratch) if the role may not make databases.
    """
    own = str(connection.settings_dict["NAME"])
    name = f"{own}{SUFFIX}{secrets.token_hex(4)}"
    with server() as admin:
        admin.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        _drop_left_over(admin, own)
        _create(admin, name, like=own)
        in_use = psycopg.connect(**owner_of_tables() | {"dbname": name}, autocommit=True)
        admin.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
    try:
        with in_use:
            yield name
    finally:
        with server() as admin:
            _drop(admin, name)


@contextmanager
def server() -> Iterator[psycopg.Connection]:
    """A connection of the owner to the server's own database, where others are made, renamed and dropped."""
    with psycopg.connect(**owner_of_tables() | {"dbname": "postgres"}, autocommit=True) as admin:
        yield admin


def count_users_of(database: str, *, wait: float = 0) -> int:
    """How many connections there are to it. wait: seconds to wait for the last to end, for a server's process outlives its client
    a little, as PostgreSQL itself waits before it renames or drops a database."""
    end = time.monotonic() + wait
    with server() as admin:
        while True:
            row = admin.execute(OTHERS, [database]).fetchone()
            users = row[0] if row else 0
            if not users or time.monotonic() >= end:
                return users
            time.sleep(0.05)


def put_in_place(name: str, *, of: str) -> None:
    """The scratch database `name` becomes `of`, in one step; what was `of` is dropped. Raises Conflict while it is in use."""
    gone = f"{of}{SUFFIX}{secrets.token_hex(4)}"
    with server() as admin:
        _end_connections(admin, name)
        try:
            with admin.transaction():
                admin.execute(_sql("ALTER DATABASE {} RENAME TO {}", of, gone))
                admin.execute(_sql("ALTER DATABASE {} RENAME TO {}", name, of))
        except psycopg.errors.ObjectInUse as error:
            raise Conflict(
                "The database is in use: stop the platform on all machines, then run this again. Nothing was changed."
            ) from error
        _drop(admin, gone)


def _create(admin: psycopg.Connection, name: str, *, like: str) -> None:
    row: Any = admin.execute(LOCALE, [like]).fetchone()
    encoding, collate, ctype, provider, locale, may_all = row
    options = [f"ENCODING {sql.quote(encoding)} LC_COLLATE {sql.quote(collate)} LC_CTYPE {sql.quote(ctype)}"]
    options += [f"LOCALE_PROVIDER {PROVIDERS[provider]}"]
    options += [f"{PROVIDERS[provider]}_LOCALE {sql.quote(locale)}"] if provider != "c" and locale else []
    # In template1 a superuser may have made the extension vector, which others may not.
    for template in ("template0",) if may_all else ("template1", "template0"):
        try:
            statement = _sql("CREATE DATABASE {} TEMPLATE {} ", name, template)
            admin.execute(statement + sql.SQL(" ".join(options)))
            return
        except psycopg.errors.InvalidParameterValue:  # template1 has another locale
            if template == "template0":
                raise
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unavailable(
                "The role that owns the tables may not make databases, which this needs for a while. As a superuser, run: "
                "ALTER ROLE … CREATEDB",
                code="no_scratch",
            ) from error


def _drop_left_over(admin: psycopg.Connection, own: str) -> None:
    left = admin.execute(
        "SELECT datname FROM pg_database db WHERE starts_with(datname, %s) AND pg_has_role(datdba, 'USAGE') "
        "AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = db.datname)",
        [own + SUFFIX],
    ).fetchall()
    for (name,) in left:
        _drop(admin, name)


def _drop(admin: psycopg.Connection, name: str) -> None:
    admin.execute(_sql("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))


def _end_connections(admin: psycopg.Connection, name: str) -> None:
    admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])


def _sql(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))
