"""Looking at whole databases, for tests of backups."""

from django.db import connection

from faceplatform.database.scratch import server

FINGERPRINT = "SELECT count(*), md5(string_agg(md5(row::text), '' ORDER BY md5(row::text))) FROM {} row"


def fingerprints() -> dict[str, tuple]:
    """Of each table: how many rows, and a hash over all of them."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(FINGERPRINT.format(connection.ops.quote_name(table)))
            found[table] = cursor.fetchone()
    return found


def databases() -> set[str]:
    with server() as admin:
        return {name for (name,) in admin.execute("SELECT datname FROM pg_database")}
