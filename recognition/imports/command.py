"""What the commands that import have in common: the gallery, going on where one was broken off, progress, the report."""

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
from recognition.imports.models import Import
from recognition.imports.report import report_lines
from recognition.imports.running import run_import
from recognition.imports.services import create_import, resume_import, unfinished_at
from recognition.imports.sources import Rows, SourceLost
from recognition.photos.in_process import extra_workers, local_worker

MANY = 100  # photos that are worth the seconds in which more processes start


class ImportCommand(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--gallery", required=True, metavar="SLUG")
        parser.add_argument("--create", action="store_true", help="make the gallery where there is none")
        parser.add_argument(
            "--quality", choices=QualityGate.values, default="", help="instead of the gallery's own gate"
        )
        parser.add_argument("--report", type=Path, metavar="OUT.csv", help="write a line per photo")

    def handle(self, *, gallery, create, quality, report, **options):
        actor = cli_actor()
        try:
            source, name, place = self.source(**options)
            if not (total := source.count()):
                raise CommandError(self.nothing(**options))
            target = self._gallery(actor, gallery, create)
            self.prepare(actor, target, source)
            job = self._job(actor, target, name, place, quality)
            done = self._run(job, source, total)
        except DomainError as error:
            raise CommandError(error.message) from error
        except SourceLost as error:
            raise CommandError(str(error)) from error
        if done is None:
            raise CommandError("Another process runs this import, or died just now: try again in a minute.")
        if report:
            with report.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(report_lines(done))
        self._summary(done)

    def source(self, **options) -> tuple[Rows, str, str]:
        """What is read, its name for people, and the place by which the import of it is found again."""
        raise NotImplementedError

    def nothing(self, **options) -> str:
        """What is said where there is no photo in the source."""
        raise NotImplementedError

    def prepare(self, actor: Actor, gallery: Gallery, source: Rows) -> None:
        """What is done before the photos."""

    def _job(self, actor: Actor, gallery: Gallery, name: str, place: str, quality: str) -> Import:
        """A new import, or the one of the same source that was broken off."""
        job = unfinished_at(gallery=gallery, place=place)
        if job is None:
            return create_import(actor=actor, gallery=gallery, name=name, place=place, quality_gate=quality)
        self.stdout.write(
            f"Going on with the import of {job.created_at:%Y-%m-%d %H:%M}: {job.handled} photos are done."
        )
        if job.status in (Import.Status.STOPPED, Import.Status.FAILED):
            resume_import(actor=actor, job=job)
        return job

    @staticmethod
    def _run(job: Import, source: Rows, total: int) -> Import | None:
        def stop(*_):
            Import.objects.filter(pk=job.pk).update(stop_requested=True)

        def progress(job):
            job.refresh_from_db(fields=["enrolled", "skipped", "refused"])
            bar.update(job.handled - bar.n)

        before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
        try:
            with (
                extra_workers() if total - job.handled > MANY else nullcontext(),
                tqdm(total=total, initial=job.handled, unit="photo", disable=None) as bar,
                local_worker() as work,
            ):
                return run_import(job.pk, work=work, source=source, progress=progress)
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
