"""Runs pg_dump and pg_restore as the owner of the tables; what they give and take streams through this process."""

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import psycopg
from django.conf import settings

from faceplatform.database import roles
from faceplatform.database.backup_file import BackupFileError
from faceplatform.database.client_tools import client_tool, connection_arguments
from faceplatform.database.listen import connection_parameters
from faceplatform.errors import Unavailable

BLOCK = 2**18  # bytes
# What a newer pg_restore sets although a server before 17 does not know it.
HARMLESS = re.compile(r'unrecognized configuration parameter "transaction_timeout"')


@contextmanager
def snapshot() -> Iterator[psycopg.Connection]:
    """A transaction in which everything is read as it is now, also by `dump`."""
    with psycopg.connect(**owner_of_tables()) as connection:
        connection.execute("SET idle_in_transaction_session_timeout = 0")
        connection.execute("SET statement_timeout = 0")
        connection.commit()
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield connection


def dump(connection: psycopg.Connection, *, without: Iterable[str] = ()) -> Iterator[bytes]:
    """The database of a `snapshot` in pg_dump's custom format. without: tables whose rows are left out.

    Rows of unlogged tables are left out too. Raises Unavailable (backup_failed, no_client_tool).
    """
    row = connection.execute("SELECT pg_export_snapshot()").fetchone()
    assert row is not None
    where, environment = connection_arguments(owner_of_tables())
    command = [
        str(client_tool("pg_dump", server=connection.info.server_version // 10_000)),
        *where,
        f"--snapshot={row[0]}",
        "--format=custom",
        "--compress=gzip:1",
        "--no-unlogged-table-data",
        "--exclude-extension=vector",
        *(f"--exclude-table-data={table}" for table in without),
    ]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
        )
        assert process.stdout is not None
        try:
            while block := process.stdout.read(BLOCK):
                yield block
        finally:
            process.stdout.close()  # one that was not read to its end is ended by that
            status = process.wait()
        if status:
            raise Unavailable(f"pg_dump failed: {_end_of(said)}", code="backup_failed")


def restore(database: str, dumped: Iterable[bytes]) -> None:
    """Fills an empty database with what `dump` gave. Raises BackupFileError if that cannot be restored."""
    with psycopg.connect(**owner_of_tables() | {"dbname": database}, autocommit=True) as connection:
        server = connection.info.server_version // 10_000
        _make_extension(connection)
    where, environment = connection_arguments(owner_of_tables() | {"dbname": database})
    # Vector indexes are built again, which is slow with PostgreSQL's usual 64 MB.
    environment["PGOPTIONS"] = f"-c maintenance_work_mem={settings.INDEX_MEMORY_MB}MB -c statement_timeout=0"
    command = [str(client_tool("pg_restore", server=server)), *where, "--no-owner", "--no-privileges"]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=said, stderr=subprocess.STDOUT
        )
        assert process.stdin is not None
        try:
            _feed(process.stdin, dumped)
        except BaseException:
            process.kill()
            process.wait()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            raise
        if process.wait() and not _is_harmless(said):
            raise BackupFileError(f"The backup cannot be restored: {_end_of(said)}")


def owner_of_tables() -> dict[str, Any]:
    """How the owner connects, for psycopg."""
    with roles.owner():
        return connection_parameters()


def _make_extension(connection: psycopg.Connection) -> None:
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except psycopg.Error as error:
        raise Unavailable(
            "The role may not make the extension vector in a new database. As a superuser, run CREATE EXTENSION vector in "
            "the database template1, or restore as a role that may.",
            code="no_extension",
        ) from error


def _feed(stdin: IO[bytes], dumped: Iterable[bytes]) -> None:
    """All of it is read, also where pg_restore has had enough: whether it is whole shows at its end."""
    open_ = True
    for block in dumped:
        if open_:
            try:
                stdin.write(block)
            except BrokenPipeError:
                open_ = False
    with contextlib.suppress(BrokenPipeError):
        stdin.close()


def _is_harmless(said: IO[bytes]) -> bool:
    errors = [line for line in _lines(said) if " error: " in line]
    return bool(errors) and all(HARMLESS.search(line) for line in errors)


def _end_of(said: IO[bytes]) -> str:
    lines = _lines(said)
    errors = [line for line in lines if " error: " in line] or lines[-1:]
    return errors[0].partition("error: ")[2] or errors[0] if errors else "it said nothing."


def _lines(said: IO[bytes]) -> list[str]:
    said.seek(0)
    return said.read(2**20).decode(errors="replace").splitlines()
