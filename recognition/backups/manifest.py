"""What a backup says of itself: counts and states, no names. Read by plain SQL, as the schema may be an earlier version's."""

from collections.abc import Iterable
from typing import Any

import psycopg
from django.utils import timezone
from psycopg import sql

from faceplatform import __version__
from faceplatform.database.backup_file import BackupFileError
from faceplatform.database.migration_state import unknown_migrations
from recognition.photos.installed_packs import installed_manifests

# Sessions would come back that were ended since, and their keys are secrets: everybody signs in again after a restore.
LEFT_OUT = ("django_session",)
TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relpersistence = 'p' AND relname <> ALL (%s)
ORDER BY relname
"""
HEAD = "SELECT number, encode(digest, 'hex') FROM accounts_auditseal ORDER BY number DESC LIMIT 1"
IN_FORCE = "SELECT DISTINCT pack FROM gallery_gallery ORDER BY pack"
NEWER = (
    "This backup was made by version {theirs} of the platform, and its database is newer than what this version ({ours}) "
    "knows. Upgrade the platform first."
)


def describe(connection: psycopg.Connection) -> dict[str, Any]:
    """The manifest of the database as `connection` sees it.

    {"version", "made_at", "postgresql", "migrations": [[app, name]], "tables": {name: rows}, "left_out": [table],
    "audit": [seals, digest in hex] | null, "packs": {name: {"in_force", "licence", "files": {name: sha256}}}}
    """
    tables = count_rows(connection)
    in_force = [pack for (pack,) in connection.execute(IN_FORCE)] if "gallery_gallery" in tables else []
    head = connection.execute(HEAD).fetchone() if "accounts_auditseal" in tables else None
    applied = "SELECT app, name FROM django_migrations ORDER BY id"
    migrations = connection.execute(applied).fetchall() if "django_migrations" in tables else []
    return {
        "version": __version__,
        "made_at": timezone.now().isoformat(timespec="seconds"),
        "postgresql": connection.info.server_version,
        "migrations": [list(row) for row in migrations],
        "tables": tables,
        "left_out": list(LEFT_OUT),
        "audit": list(head) if head else None,
        "packs": _packs(in_force),
    }


def count_rows(connection: psycopg.Connection) -> dict[str, int]:
    """Rows of each table that is in a backup."""
    names = [name for (name,) in connection.execute(TABLES, [list(LEFT_OUT)])]
    if not names:
        return {}
    counts = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, count(*) FROM {}").format(name, sql.Identifier(name)) for name in names
    )
    return dict(connection.execute(counts).fetchall())


def require_known(manifest: dict[str, Any]) -> None:
    """Raises BackupFileError if the backup is of a newer version than this code, or lacks what a manifest says."""
    kinds = {"version": str, "made_at": str, "migrations": list, "tables": dict, "packs": dict}
    if not all(isinstance(manifest.get(name), kind) for name, kind in kinds.items()) or "audit" not in manifest:
        raise BackupFileError("The backup is damaged: its manifest is not complete.")
    if unknown_migrations((app, name) for app, name in manifest["migrations"]):
        raise BackupFileError(NEWER.format(theirs=manifest["version"], ours=__version__))


def differences(counted: dict[str, int], found: dict[str, int]) -> list[str]:
    """A sentence about each table whose rows are not as many as they were."""
    return [
        f"{table} has {found.get(table, 0)} rows and should have {counted.get(table, 0)}."
        for table in sorted(counted.keys() | found.keys())
        if counted.get(table, 0) != found.get(table, 0)
    ]


def _packs(in_force: Iterable[str]) -> dict[str, Any]:
    packs: dict[str, Any] = {name: {"in_force": True, "licence": "", "files": {}} for name in in_force}
    for manifest in installed_manifests():
        facts = {"licence": manifest.licence, "files": dict(manifest.files)}
        packs[manifest.name] = {"in_force": manifest.name in packs, **facts}
    return packs
