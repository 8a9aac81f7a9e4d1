"""Operations for migrations that meet filled tables while the platform runs."""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently

INVALID = "SELECT FROM pg_index WHERE indexrelid = to_regclass(quote_ident(%s)) AND NOT indisvalid"


class AddIndexOnline(AddIndexConcurrently):
    """Builds an index while others read and write. Its migration has `atomic = False`.

    A build that was interrupted leaves an invalid index behind; the next try drops it. While it builds there is no limit to
    how long it may wait for a lock: it keeps nobody waiting meanwhile.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('lock_timeout')")
            [before] = cursor.fetchone()
            cursor.execute("SET lock_timeout = 0")
            try:
                cursor.execute(INVALID, [self.index.name])
                if cursor.fetchone() is not None:
                    cursor.execute(f'DROP INDEX CONCURRENTLY "{self.index.name}"')
                super().database_forwards(app_label, schema_editor, from_state, to_state)
            finally:
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", [before])
