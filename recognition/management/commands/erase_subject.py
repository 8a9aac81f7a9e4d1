"""Erases a person for good, or, after a restore, the erased people whom the backup brought back."""

import json
from pathlib import Path
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from accounts.actor import cli_actor
from faceplatform.errors import DomainError
from recognition.privacy.erasure import erase_subject, recorded_deletions, recorded_erasures, repeat_erasures, report_of
from recognition.privacy.gallery_deletion import repeat_deletions
from recognition.privacy.models import Erasure
from recognition.privacy.subject import find_remembered, find_subject


class Command(BaseCommand):
    help = "Erases a person for good, and prints the report. There is no way back."

    def add_arguments(self, parser):
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("id", nargs="?", type=UUID, help="the id in the address of the person's page")
        what.add_argument(
            "--replay",
            nargs="*",
            type=Path,
            metavar="FILE",
            help="erase again the people whom a restored backup brought back",
        )
        what.add_argument(
            "--find",
            metavar="NAME",
            help="print people whose rows are gone, also with their gallery, but not their names",
        )
        what.add_argument("--list", action="store_true", help="print all reports, one per line, as --replay reads them")
        parser.add_argument("--name", help="the person's name, to confirm")
        parser.add_argument("--reason", default="", help="why; it is kept for good, so leave the name out")

    def handle(self, *, id, replay, list, find, name, reason, **options):
        try:
            if list:
                self._print(Erasure.objects.order_by("id").iterator())
            elif find is not None:
                for pk, gallery, known in find_remembered(find):
                    self.stdout.write(f"{pk}  {gallery}  {known}")
            elif replay is not None:
                self._replay(replay)
            else:
                self._erase(id, name, reason)
        except DomainError as error:
            raise CommandError(error.message) from error
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be read: {error.strerror}.") from error

    def _erase(self, id: UUID, name: str | None, reason: str) -> None:
        subject = find_subject(id)
        confirm = name if name is not None else input("The person's name, to confirm: ")
        self._print([erase_subject(actor=cli_actor(), subject=subject, confirm=confirm, reason=reason)])

    def _replay(self, files: list[Path]) -> None:
        erased = recorded_erasures(files)
        galleries = repeat_deletions(actor=cli_actor(), deleted=recorded_deletions(files))
        repeated = repeat_erasures(actor=cli_actor(), erased=erased)
        self._print([*galleries, *repeated])
        if galleries:
            self.stderr.write(f"{len(galleries)} deleted galleries had come back and were deleted again.")
        self.stderr.write(f"{len(erased)} people had been erased; {len(repeated)} had come back and were erased again.")

    def _print(self, erasures) -> None:
        for erasure in erasures:
            self.stdout.write(json.dumps(report_of(erasure)))
