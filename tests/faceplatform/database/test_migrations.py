"""Migrations meet filled tables: they neither block them while an index is built, nor queue for their locks for long."""

import re
from importlib import import_module

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.special import RunSQL

from accounts.management.commands import migrate
from faceplatform.database import roles
from faceplatform.database.migrations import AddIndexOnline

OURS = ("accounts", "gallery", "recognition")
# Written before this rule, and applied everywhere by now. Add none: use AddIndexOnline, with atomic = False.
EARLIER = {
    ("accounts", "0002_initial"),
    ("gallery", "0001_initial"),
    ("gallery", "0004_sample_by_photo"),
    ("gallery", "0006_sample_by_gallery"),
    ("recognition", "0001_initial"),
    ("recognition", "0009_reembedding"),
}
CREATE_INDEX = re.compile(r"\bCREATE\s+(UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY\b)", re.IGNORECASE)
INDEX = models.Index(fields=["purpose", "finished_at"], name="request_by_purpose")


def blocking_operations(migration) -> list[str]:
    """What would lock a table that is there already for as long as an index takes to build."""
    made = {op.name.lower() for op in migration.operations if isinstance(op, migrations.CreateModel)}
    found = []
    for operation in migration.operations:
        plain = isinstance(operation, migrations.AddIndex) and not isinstance(operation, AddIndexOnline)
        if plain and operation.model_name.lower() not in made:
            found.append(f"AddIndex {operation.index.name}")
        if isinstance(operation, RunSQL) and CREATE_INDEX.search(str(operation.sql)):
            found.append("RunSQL CREATE INDEX")
    return found


def test_migrations_build_indexes_while_the_table_is_used():
    loader = MigrationLoader(None)
    ours = {key: migration for key, migration in loader.disk_migrations.items() if key[0] in OURS}
    assert {key: found for key, m in ours.items() if key not in EARLIER and (found := blocking_operations(m))} == {}
    assert set(ours) >= EARLIER
    for key, migration in ours.items():
        if any(isinstance(operation, AddIndexOnline) for operation in migration.operations):
            assert not migration.atomic, key


def test_the_rule_finds_what_it_is_for():
    class Migration:
        operations = [
            migrations.CreateModel("New", []),
            migrations.AddIndex("new", models.Index(fields=["id"], name="fine")),
            migrations.AddIndex("old", models.Index(fields=["id"], name="blocks")),
            AddIndexOnline("old", models.Index(fields=["id"], name="fine_too")),
            RunSQL("create unique index x on y (z)"),
            RunSQL("CREATE INDEX CONCURRENTLY x ON y (z)"),
        ]

    assert blocking_operations(Migration) == ["AddIndex blocks", "RunSQL CREATE INDEX"]


# --- An index that is built online ---
def state(name: str) -> list[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
        return [valid for (valid,) in cursor.fetchall()]


def build() -> None:
    loader = MigrationLoader(connection)
    before = loader.project_state(("recognition", "0013_import_end_has_time"))
    operation = import_module("recognition.migrations.0014_request_by_purpose").Migration.operations[0]
    after = before.clone()
    operation.state_forwards("recognition", after)
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("recognition", editor, before, after)


@pytest.mark.django_db(transaction=True)
def test_a_build_that_was_interrupted_is_repeated():
    with roles.owner(), connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'request_by_purpose'::regclass")
        cursor.execute("SET lock_timeout = '7s'")
        assert state("request_by_purpose") == [False]
        build()
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("7s",)
        cursor.execute("RESET lock_timeout")
    assert state("request_by_purpose") == [True]


@pytest.mark.django_db
def test_old_analyses_are_found_by_the_index():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT id FROM recognition_recognitionrequest"
            " WHERE purpose IN ('detect', 'embed', 'compare') AND finished_at < now()"
        )
        assert "request_by_purpose" in str(cursor.fetchall())


# --- Locks ---
def lock_timeout() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_migrate_does_not_queue_for_a_lock(monkeypatch):
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "50ms")
    table = apps.get_model("recognition", "Import")._meta.db_table
    other = connection.copy()
    before = lock_timeout()
    try:
        with other.cursor() as cursor:
            cursor.execute(f"BEGIN; LOCK TABLE {table} IN ACCESS SHARE MODE")
            with pytest.raises(CommandError, match="Stop the platform"):
                call_command("migrate", "recognition", "0010", verbosity=0)
            cursor.execute("ROLLBACK")
    finally:
        other.close()
        call_command("migrate", verbosity=0)
    assert lock_timeout() == before
