"""Empties the database after a test with real transactions.

Django truncates every table of a model and writes the permissions again, which takes longer than most of these tests. Here the
rows of the few tables that have any are deleted, without triggers and foreign keys; the job queue's too.
"""

from django.db import connection, transaction

# Which models there are, and which migrations.
KEPT = {"django_content_type", "auth_permission", "django_migrations"}


def empty_tables() -> None:
    """Needs a superuser's connection."""
    tables = [connection.ops.quote_name(name) for name in connection.introspection.table_names() if name not in KEPT]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(" UNION ALL ".join(f"(SELECT '{table}' FROM {table} LIMIT 1)" for table in tables))
        for (table,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {table}")
