"""Writes a backup while everything runs, and verifies one in a scratch database. Neither writes into the platform's own."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg
from django.core.management import call_command
from django.db import connection

from accounts.audit import chain
from faceplatform import private_files
from faceplatform.database import dumping, roles
from faceplatform.database.backup_file import BackupFileError, BackupReader, write_backup
from faceplatform.database.migration_state import applied_migrations, missing_migrations
from faceplatform.database.scratch import scratch_database
from faceplatform.errors import Conflict
from recognition.backups import manifest as manifests
from recognition.backups.encryption import decrypted, encrypted

Say = Callable[[str], None]
REPORT_EVERY = 256 * 2**20  # bytes


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that stands in a scratch database, equal in rows and audit. database: its name."""

    database: str
    manifest: dict[str, Any]


def write_to(out: IO[bytes], *, recipients: Sequence[Any] = (), say: Say = lambda text: None) -> dict[str, Any]:
    """Writes a backup of the database as it is now. Returns its manifest. Raises Unavailable."""
    connection.ensure_connection()  # starts the embedded server
    with dumping.snapshot() as snapshot:
        manifest = manifests.describe(snapshot)
        say(f"Backing up {sum(manifest['tables'].values()):,} rows of {len(manifest['tables'])} tables …")
        with encrypted(out, recipients) as file:
            dumped = _counted(dumping.dump(snapshot, without=manifests.LEFT_OUT), say)
            write_backup(file, manifest=manifest, dump=dumped)
    out.flush()
    return manifest


def write_file(path: Path, *, recipients: Sequence[Any] = (), say: Say = lambda text: None) -> dict[str, Any]:
    """The same into a new file that nobody else may read; there is none if it fails. Raises Conflict if it exists already."""
    if path.exists():
        raise Conflict(f"{path} exists already. Nothing was written.")
    partial = path.with_name(f"{path.name}.partial")
    try:
        with private_files.open_private(partial, "wb") as out:
            manifest = write_to(out, recipients=recipients, say=say)
            os.fsync(out.fileno())
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    return manifest


@contextmanager
def opened(file: IO[bytes], *, identity: Path | None = None) -> Iterator[BackupReader]:
    """Reads the beginning of a backup. identity: the file with the key of an encrypted one. Raises BackupFileError."""
    with decrypted(file, identity) as plain:
        reader = BackupReader(plain)
        manifests.require_known(reader.manifest)
        yield reader


@contextmanager
def restored(reader: BackupReader, *, say: Say = lambda text: None) -> Iterator[Restored]:
    """The backup in a scratch database, with this version's migrations, compared with its manifest.

    Raises BackupFileError if it is not what was backed up.
    """
    connection.ensure_connection()
    manifest = reader.manifest
    with scratch_database() as database:
        say(f"Restoring the backup of {manifest['made_at']}, version {manifest['version']} …")
        dumping.restore(database, _counted(reader.dump(), say))
        _require_equal(manifest, database)
        with roles.owner(database=database):
            if missing_migrations(applied_migrations()):
                say("Bringing it to this version …")
                call_command("migrate", verbosity=0, interactive=False)
            _require_audit(manifest)
        yield Restored(database, manifest)


def verify(file: IO[bytes], *, identity: Path | None = None, say: Say = lambda text: None) -> dict[str, Any]:
    """Restores a backup beside the platform's database, compares rows and audit, and drops it. Returns the manifest."""
    with opened(file, identity=identity) as reader, restored(reader, say=say):
        return reader.manifest


def _require_equal(manifest: dict[str, Any], database: str) -> None:
    with psycopg.connect(**dumping.owner_of_tables() | {"dbname": database}) as there:
        unequal = manifests.differences(manifest["tables"], manifests.count_rows(there))
    if unequal:
        raise BackupFileError(f"The backup is not whole. {' '.join(unequal[:3])}")


def _require_audit(manifest: dict[str, Any]) -> None:
    head = manifest["audit"]
    result = chain.verify(expect=(head[0], bytes.fromhex(head[1])) if head else None)
    if result.broken:
        raise BackupFileError(f"The audit in the backup was tampered with. {result.broken}")


def _counted(blocks: Iterator[bytes], say: Say) -> Iterator[bytes]:
    done, told = 0, 0
    for block in blocks:
        yield block
        done += len(block)
        if done - told >= REPORT_EVERY:
            say(f"{done // 2**20:,} MiB")
            told = done
