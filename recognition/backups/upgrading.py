"""Bringing the database to this version at the start: never a newer one, and not without a backup."""

import contextlib

from django.conf import settings
from django.core.management import call_command

from accounts.actor import system_actor
from faceplatform import __version__
from faceplatform.database import roles
from faceplatform.database.migration_state import applied_migrations, missing_migrations, unknown_migrations
from faceplatform.errors import Conflict
from recognition.backups import making, services
from recognition.backups.making import Say
from recognition.backups.models import Backup

NEWER = (
    "The database is of a newer version than this one, {ours}: it has the migration {migration}. Start that version again, or "
    "restore a backup from before the upgrade: manage.py restore FILE --replace"
)


def migrate(*, say: Say) -> None:
    """Applies the migrations that are missing, after a backup where there is anything. Raises Conflict, Unavailable, OSError."""
    if settings.BACKUP_DIR is not None:
        with contextlib.suppress(OSError):  # the daily backup says why
            services.own_folder()  # root may make it where the job worker, which is not root, may not
    with (
        roles.owner()
    ):  # an earlier version, or a database with one role so far, has not granted the other one anything
        applied = applied_migrations()
    if unknown := unknown_migrations(applied):
        raise Conflict(NEWER.format(ours=__version__, migration=".".join(unknown[0])), code="database_newer")
    path = None
    if applied and missing_migrations(applied) and settings.BACKUP_BEFORE_MIGRATING:
        path = services.own_path(Backup.Kind.BEFORE_MIGRATION)
        say(f"Backing up before the upgrade: {path}")
        services.own_folder()
        making.write_file(path, recipients=services.recipients())
    call_command("migrate", verbosity=0, interactive=False)
    if path:
        backup = services.begin(kind=Backup.Kind.BEFORE_MIGRATION, file=path.name)
        services.finish(actor=system_actor(), backup=backup, size=path.stat().st_size)
        services.delete_old(Backup.Kind.BEFORE_MIGRATION)
