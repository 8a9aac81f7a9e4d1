from django.db import migrations

TABLES = ("cameras_liveframe", "cameras_incomingframe")


def _each(statement: str) -> str:
    return "; ".join(statement.format(table=table) for table in TABLES)


class Migration(migrations.Migration):
    """Pictures that change several times a second: no WAL for them, and JPEG is not compressed again."""

    dependencies = [("cameras", "0001_cameras")]

    operations = [
        migrations.RunSQL(
            _each("ALTER TABLE {table} SET UNLOGGED; ALTER TABLE {table} ALTER COLUMN jpeg SET STORAGE EXTERNAL"),
            _each("ALTER TABLE {table} SET LOGGED; ALTER TABLE {table} ALTER COLUMN jpeg SET STORAGE EXTENDED"),
        )
    ]
