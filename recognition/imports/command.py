"""The base of the import commands: finds the gallery, resumes an unfinished import, shows progress, writes the report."""

import csv
import signal
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from accounts.actor import Actor, cli_actor
from faceplatform.errors import DomainError
from gallery.closing import require_open
from gallery.models import Gallery, QualityGate
from gallery.services import create_gallery
from gallery.slugs import is_slug
from recognition.imports.files import words_of
from recognition.imports.models import Import
from recognition.imports.report import report_lines
from recognition.imports.running import run_import
from recognition.imports.services import create_import, find_unfinished, resume_import
from recognition.imports.sources import Source, SourceLost
from recognition.photos.in_process import extra_workers, local_worker

PARALLEL_FROM = 100  # photos; for fewer, starting more processes takes longer than it saves


class ImportCommand(BaseCommand):
    """Subclasses say what is read: `source`, `no_photos_message` and, if needed, `prepare`."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--gallery", required=True, metavar="SLUG", help="its slug, or its name")
        parser.add_argument("--create", action="store_true", help="create the gallery if it does not exist")
        parser.add_argument(
            "--quality", choices=QualityGate.values, default="", help="overrides the gallery's own quality gate"
        )
        parser.add_argument("--report", type=Path, metavar="OUT.csv", help="write a CSV report with a line per photo")

    def handle(self, *, gallery: str, create: bool, quality: str, report: Path | None, **options: Any) -> None:
        if report:
            _require_writable(report)
        actor = cli_actor()
        try:
            source, name, place = self.source(**options)
            if not (total := source.count()):
                raise CommandError(self.no_photos_message(**options))
            target = self._gallery(actor, gallery, create)
            self.prepare(actor, target, source)
            job = self._find_or_create_import(actor, target, name, place, quality)
            finished = self._run(job, source, total)
        except DomainError as error:
            raise CommandError(error.message) from error
        except SourceLost as error:
            raise CommandError(str(error)) from error
        if finished is None:
            raise CommandError("Another process is running this import, or has just died: try again in a minute.")
        if report:
            with report.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(report_lines(finished))
        self._summary(finished)

    def source(self, *args: Any, **options: Any) -> tuple[Source, str, str]:
        """The source, its name for people, and its place, by which a later call finds the import again."""
        raise NotImplementedError

    def no_photos_message(self, *args: Any, **options: Any) -> str:
        """The error message for a source without photos."""
        raise NotImplementedError

    def prepare(self, actor: Actor, gallery: Gallery, source: Source) -> None:
        """Called before the first photo is read, with the source that `source()` returned."""

    def _find_or_create_import(self, actor: Actor, gallery: Gallery, name: str, place: str, quality: str) -> Import:
        """The unfinished import of the same source, resumed, or a new one."""
        job = find_unfinished(gallery=gallery, place=place)
        if job is None:
            return create_import(actor=actor, gallery=gallery, name=name, place=place, quality_gate=quality)
        self.stdout.write(f"Resuming the import of {job.created_at:%Y-%m-%d %H:%M}: {job.handled} files are done.")
        if job.status in (Import.Status.STOPPED, Import.Status.FAILED):
            resume_import(actor=actor, job=job)
        return job

    @staticmethod
    def _run(job: Import, source: Source, total: int) -> Import | None:
        def stop(*_: object) -> None:
            Import.objects.filter(pk=job.pk).update(stop_requested=True)

        def progress(job: Import) -> None:
            job.refresh_from_db(fields=["enrolled", "skipped", "refused", "ignored"])
            bar.update(job.handled - bar.n)

        before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
        try:
            with (
                extra_workers() if total - job.handled > PARALLEL_FROM else nullcontext(),
                tqdm(total=total, initial=job.handled, unit="photo", disable=None) as bar,
                local_worker() as work,
            ):
                return run_import(job.pk, work=work, source=source, progress=progress)
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    @staticmethod
    def _gallery(actor: Actor, slug: str, create: bool) -> Gallery:
        """slug: of a gallery, or its name. A new one is called after the slug, or gets a slug after the name."""
        gallery = Gallery.objects.called(slug)
        if gallery is None and not create:
            raise CommandError(f"There is no gallery “{slug}”. Add --create to create it.")
        if gallery is not None:
            require_open(gallery)
            return gallery
        if is_slug(slug):
            return create_gallery(actor=actor, name=slug.replace("-", " ").capitalize(), slug=slug)
        return create_gallery(actor=actor, name=slug)

    def _summary(self, job: Import) -> None:
        for row in job.rows.filter(status="refused").iterator():
            self.stdout.write(f"refused  {row.name or '–'}: {row.path}: {row.reason} ({row.code})")
        for row in job.left_out_by_reason():
            self.stdout.write(f"left out {row['count']} × {row['reason']} ({row['code']})")
        left_out = f", {job.ignored} files left out" if job.ignored else ""
        people = job.rows.filter(status="enrolled").values("identity").distinct().count()
        self.stdout.write(
            f"{job.enrolled} samples of {people} people enrolled, "
            f"{job.skipped} were already enrolled, {job.refused} refused{left_out}."
        )
        if job.status == Import.Status.STOPPED:
            self.stdout.write(
                f"Stopped after {job.handled} of {job.total} files. Run the same command again to continue."
            )
        if job.status == Import.Status.FAILED:
            raise CommandError(job.error_message)


def _require_writable(report: Path) -> None:
    """Raises CommandError: an import may take hours, and its end is too late to learn it. A new file is not left behind."""
    is_new = not report.exists()
    if not is_new and not report.is_file() and not report.is_dir():
        return  # a terminal or a pipe, which may be opened only once
    try:
        report.open("a").close()
    except OSError as error:
        raise CommandError(
            f"The report cannot be written to {report}: {words_of(error)}. Nothing was imported."
        ) from error
    if is_new:
        report.unlink()
