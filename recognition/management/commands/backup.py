"""Backs the platform up while it runs, or verifies a backup."""

import sys
from contextlib import nullcontext
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from accounts.actor import cli_actor
from faceplatform.database.migration_state import applied_migrations, missing_migrations
from recognition.backups import making, services
from recognition.backups.models import Backup


class Command(BaseCommand):
    help = "Writes a backup of everything in the database, while the platform runs; - for standard output."

    def add_arguments(self, parser):
        parser.add_argument("file", metavar="FILE", help="the file to write, or to verify; - for a stream")
        parser.add_argument(
            "--verify",
            action="store_true",
            help="restore FILE into a scratch database, compare it, and drop that again",
        )
        parser.add_argument("--identity", type=Path, metavar="FILE", help="the age key that opens an encrypted backup")

    def handle(self, *, file, verify, identity, **options):
        if verify:
            self._verify(file, identity)
        elif missing_migrations(applied_migrations()):  # such as just before an upgrade: nothing can be recorded
            self._write(file)
        else:
            self._back_up(file)

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def _back_up(self, file: str) -> None:
        actor = cli_actor()
        if file == "-":
            services.back_up_to_stream(actor=actor, out=_standard_output(), say=self.say)
        else:
            services.back_up(actor=actor, path=Path(file).absolute(), kind=Backup.Kind.MANUAL, say=self.say)
        self._done(file)

    def _write(self, file: str) -> None:
        recipients = services.recipients()
        if file == "-":
            making.write_to(_standard_output(), recipients=recipients, say=self.say)
        else:
            making.write_file(Path(file).absolute(), recipients=recipients, say=self.say)
        self._done(file)

    def _done(self, file: str) -> None:
        size = "" if file == "-" else f" It has {Path(file).stat().st_size / 2**20:,.1f} MiB."
        self.say(f"The backup is complete.{size}")

    def _verify(self, file: str, identity: Path | None) -> None:
        connection.ensure_connection()
        with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as source:
            manifest = making.verify(source, identity=identity, say=self.say)
        head = manifest["audit"]
        self.stdout.write(
            f"The backup of {manifest['made_at']} can be restored: {sum(manifest['tables'].values()):,} rows of "
            f"{len(manifest['tables'])} tables are all there, "
            + (f"and the audit is unbroken up to {head[0]}:{head[1]}." if head else "and no audit was sealed yet.")
        )


def _standard_output():
    if sys.stdout.isatty():
        raise CommandError("A backup is no text for a terminal. Name a file, or send it through a pipe.")
    return sys.stdout.buffer
