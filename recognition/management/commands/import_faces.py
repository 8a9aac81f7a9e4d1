"""Enrols people from a folder, ZIP or CSV. Works without a running platform; running workers help."""

import csv
import signal
from contextlib import nullcontext
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from accounts.actor import Actor, cli_actor
from faceplatform.errors import DomainError
from gallery.models import Gallery, QualityGate
from gallery.services import create_gallery
from recognition.imports.report import report_lines
from recognition.imports.services import create_import, place_of, resume_import, run_import, unfinished_at
from recognition.imports.sources import Source
from recognition.local import all_cores, helping
from recognition.models import Import

MANY = 100  # photos that are worth the seconds in which more processes start


class Command(BaseCommand):
    help = (
        "Enrols people from a folder with a folder per person, a ZIP of one, or a CSV (name, external_id, department, "
        "position, photo). Ctrl-C stops it; the same command goes on, and does nothing twice."
    )

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
            total = Source(source).count()
            if not total:
                raise CommandError(f"No photos in {source}. It needs a folder per person, with photos in it.")
            job = self._job(actor, self._gallery(actor, gallery, create), source, quality)
            done = self._run(job, source, total)
        except DomainError as error:
            raise CommandError(error.message) from error
        if done is None:
            raise CommandError("Another process runs this import, or died just now: try again in a minute.")
        if report:
            with report.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(report_lines(done))
        self._summary(done)

    def _job(self, actor: Actor, gallery: Gallery, source: Path, quality: str) -> Import:
        """A new import, or the one of the same source that was broken off."""
        place = place_of(source)
        job = unfinished_at(gallery=gallery, place=place)
        if job is None:
            return create_import(actor=actor, gallery=gallery, name=source.name, place=place, quality_gate=quality)
        self.stdout.write(
            f"Going on with the import of {job.created_at:%Y-%m-%d %H:%M}: {job.handled} photos are done."
        )
        if job.status in (Import.Status.STOPPED, Import.Status.FAILED):
            resume_import(actor=actor, job=job)
        return job

    @staticmethod
    def _run(job: Import, source: Path, total: int) -> Import | None:
        def stop(*_):
            Import.objects.filter(pk=job.pk).update(stop_requested=True)

        def progress(job):
            job.refresh_from_db(fields=["enrolled", "skipped", "refused"])
            bar.update(job.handled - bar.n)

        before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
        try:
            with (
                all_cores() if total - job.handled > MANY else nullcontext(),
                tqdm(total=total, initial=job.handled, unit="photo", disable=None) as bar,
                helping() as work,
            ):
                return run_import(job.pk, work=work, place=source, progress=progress)
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    @staticmethod
    def _gallery(actor, slug: str, create: bool) -> Gallery:
        found = Gallery.objects.filter(slug=slug).first()
        if found is None and not create:
            raise CommandError(f"There is no gallery “{slug}”. Add --create to make it.")
        return found or create_gallery(actor=actor, name=slug.replace("-", " ").capitalize(), slug=slug)

    def _summary(self, job: Import) -> None:
        for row in job.rows.filter(status="refused").iterator():
            self.stdout.write(f"refused  {row.name}: {row.path}: {row.reason} ({row.code})")
        people = job.rows.filter(status="enrolled").values("identity").distinct().count()
        self.stdout.write(
            f"{job.enrolled} samples of {people} people enrolled, "
            f"{job.skipped} were there already, {job.refused} refused."
        )
        if job.status == Import.Status.STOPPED:
            self.stdout.write(
                f"Stopped after {job.handled} of {job.total} photos. The same command goes on from there."
            )
        if job.status == Import.Status.FAILED:
            raise CommandError(job.error_message)
