"""Exports everything stored about a person to a ZIP file."""

from pathlib import Path
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from accounts.actor import cli_actor
from faceplatform.errors import DomainError
from recognition.privacy.export import begin_export, export_blocks
from recognition.privacy.subject import find_subject


class Command(BaseCommand):
    help = "Exports everything stored about a person to a ZIP file."

    def add_arguments(self, parser):
        parser.add_argument("id", type=UUID, help="the id in the address of the person's page")
        parser.add_argument("file", type=Path, metavar="FILE.zip")

    def handle(self, *, id, file, **options):
        try:
            subject = find_subject(id)
            begin_export(actor=cli_actor(), subject=subject)
        except DomainError as error:
            raise CommandError(error.message) from error
        with file.open("wb") as out:
            out.writelines(export_blocks(subject))
        self.stdout.write(f"{subject.name}: {file.stat().st_size} bytes in {file}")
