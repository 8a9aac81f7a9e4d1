"""Enrols people from a folder, ZIP or CSV. Works without a running platform; running workers help."""

import csv
from collections import Counter
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from accounts.actor import cli_actor
from faceplatform.errors import DomainError
from gallery.models import Gallery, QualityGate
from gallery.services import create_gallery
from recognition.importing import ImportResult, import_rows, read_rows


class Command(BaseCommand):
    help = "Enrols people from a folder with a folder per person, a ZIP of one, or a CSV (name, external_id, …, photo)."

    def add_arguments(self, parser):
        parser.add_argument("source", type=Path, metavar="DIR|ZIP|CSV")
        parser.add_argument("--gallery", required=True, metavar="SLUG")
        parser.add_argument("--create", action="store_true", help="make the gallery where there is none")
        parser.add_argument(
            "--quality", choices=QualityGate.values, default="", help="instead of the gallery's own gate"
        )
        parser.add_argument("--report", type=Path, metavar="OUT.csv", help="write a line per photo")

    def handle(self, *, source, gallery, create, quality, report, **options):
        actor = cli_actor()
        try:
            rows = list(read_rows(source))
            if not rows:
                raise CommandError(f"No photos in {source}. It needs a folder per person, with photos in it.")
            found = self._gallery(actor, gallery, create)
            results = []
            with tqdm(total=len(rows), unit="photo", disable=None) as bar:
                for result in import_rows(actor=actor, gallery=found, rows=rows, quality_gate=quality):
                    results.append(result)
                    bar.update()
        except DomainError as error:
            raise CommandError(error.message) from error
        if report:
            _write_report(report, results)
        self._summary(results)

    @staticmethod
    def _gallery(actor, slug: str, create: bool) -> Gallery:
        found = Gallery.objects.filter(slug=slug).first()
        if found is None and not create:
            raise CommandError(f"There is no gallery “{slug}”. Add --create to make it.")
        return found or create_gallery(actor=actor, name=slug.replace("-", " ").capitalize(), slug=slug)

    def _summary(self, results: list[ImportResult]) -> None:
        for result in results:
            if result.status == "refused":
                self.stdout.write(
                    f"refused  {result.row.name}: {result.row.photo_name}: {result.reason} ({result.code})"
                )
        counts = Counter(result.status for result in results)
        people = len({result.row.key for result in results if result.status == "enrolled"})
        self.stdout.write(
            f"{counts['enrolled']} samples of {people} people enrolled, "
            f"{counts['skipped']} were there already, {counts['refused']} refused."
        )


def _write_report(path: Path, results: list[ImportResult]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "external_id", "photo", "status", "code", "reason"])
        for result in results:
            row = result.row
            writer.writerow([row.name, row.key, row.photo_name, result.status, result.code, result.reason])
