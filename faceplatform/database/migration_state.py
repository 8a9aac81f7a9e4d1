"""Whether the database is of an earlier or a later version than this code."""

from collections.abc import Iterable
from functools import lru_cache

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

Key = tuple[str, str]  # app and name


def applied_migrations() -> set[Key]:
    """Those of the database; none where it is empty."""
    return set(MigrationRecorder(connection).applied_migrations())


def unknown_migrations(applied: Iterable[Key]) -> list[Key]:
    """Those that this code does not have, nor has replaced by others: the database is of a newer version."""
    known = {key for keys in known_migrations() for key in keys}
    return sorted(set(applied) - known)


def missing_migrations(applied: Iterable[Key]) -> list[set[Key]]:
    """Those of this code that are still to be applied."""
    there = set(applied)
    return [keys for keys in known_migrations() if not keys & there]


@lru_cache(maxsize=1)
def known_migrations() -> list[set[Key]]:
    """Each with what counts as it having been applied: itself, or what it was squashed into or made of."""
    loaded = MigrationLoader(None).disk_migrations
    found = {key: {key, *((app, name) for app, name in migration.replaces[-1:])} for key, migration in loaded.items()}
    for key, migration in loaded.items():
        for app, name in migration.replaces:
            found.setdefault((app, name), {(app, name)}).add(key)
    return list(found.values())
