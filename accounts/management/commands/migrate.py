"""Django's migrate, as the owner of the tables, who then lets the platform use them (faceplatform/database/roles.py).

It does not queue for a table's lock for long: whoever comes after it would wait too.
"""

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from psycopg.errors import LockNotAvailable

from faceplatform.database import roles

LOCK_TIMEOUT = "10s"
BUSY = (
    "A table that is to be changed was in use for longer than {timeout}. What was already applied stays. Stop the platform, "
    "or wait until imports and exports have ended, then run manage.py migrate again."
)


class Command(migrate.Command):
    def handle(self, *args, **options):
        runtime = roles.current(options["database"])
        with roles.owner(options["database"]):
            self.migrate(*args, **options)
            if not (options["plan"] or options["check_unapplied"]):
                roles.grant(runtime)

    def migrate(self, *args, **options):
        connection = connections[options["database"]]
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('lock_timeout')")
            [before] = cursor.fetchone()
            _set_lock_timeout(cursor, LOCK_TIMEOUT)
        try:
            super().handle(*args, **options)
        except OperationalError as error:
            if isinstance(error.__cause__, LockNotAvailable):
                raise CommandError(BUSY.format(timeout=LOCK_TIMEOUT)) from error
            raise
        finally:
            with connection.cursor() as cursor:
                _set_lock_timeout(cursor, before)


def _set_lock_timeout(cursor, value: str) -> None:
    cursor.execute("SELECT set_config('lock_timeout', %s, false)", [value])
