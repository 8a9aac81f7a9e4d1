"""Verifies model packs on sets of labelled pairs, by the published protocols."""

import sys
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from tqdm import tqdm

from accounts.actor import cli_actor
from recognition.engine.manifest import PackError, load_manifest
from recognition.engine.runnable import DeviceError
from recognition.lab.evaluation.figures import figures_of
from recognition.lab.evaluation.report import MOST_FAILURES, Evaluated, as_json, write_report
from recognition.lab.evaluation.sets import SetError, VerificationSet, read_set
from recognition.management.progress_bars import advance


class Command(BaseCommand):
    help = (
        "Verifies model packs on sets: InsightFace's .bin, a CSV of pairs (columns a, b, same = 1 or 0), or LFW's pairs.txt. "
        "--pack and --set may be repeated; every pack is tried on every set."
    )
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--pack", action="append", dest="packs", metavar="NAME", help="default: the default pack")
        parser.add_argument("--set", action="append", dest="sets", type=Path, required=True, metavar="FILE")
        parser.add_argument(
            "--photos",
            type=Path,
            metavar="DIR",
            help="folder that a list's paths start from; default: its own",
        )
        parser.add_argument("--aligned", action="store_true", help="a list's images are aligned crops of 112 px")
        parser.add_argument("--json", action="store_true", help="print all figures as one JSON list")
        parser.add_argument("--report", type=Path, metavar="DIR", help="write a page with ROC and histograms")
        parser.add_argument("--no-save", action="store_true", help="do not store the figures for the Evaluations page")

    def handle(self, *, packs, sets, photos, aligned, json, report, no_save, **options):
        try:
            if not no_save:
                self._check_database()
            names = list(dict.fromkeys(packs or [settings.DEFAULT_PACK]))
            for name in names:
                load_manifest(settings.MODELS_DIR / name)
            loaded = [read_set(path, photos=photos, aligned=aligned) for path in dict.fromkeys(sets)]
            evaluated = [row for name in names for row in self._evaluate(name, loaded, save=not no_save, quiet=json)]
        except (SetError, PackError, DeviceError) as error:
            raise CommandError(str(error)) from error
        if json:
            self.stdout.write(as_json(evaluated))
        if report:
            self._report(report, evaluated, quiet=json)

    @staticmethod
    def _check_database() -> None:
        """Checks that the figures can be stored, before rather than after an hour of work."""
        from recognition.evaluations.models import Evaluation

        try:
            Evaluation.objects.exists()
        except DatabaseError as error:
            raise CommandError(
                f"The figures cannot be stored: {str(error).strip().splitlines()[0]}. Run manage.py migrate, or add --no-save."
            ) from error

    def _evaluate(self, name: str, sets: list[VerificationSet], *, save: bool, quiet: bool) -> list[Evaluated]:
        from recognition.lab.evaluation.pack import PackUnderTest

        pack = PackUnderTest.load(
            settings.MODELS_DIR / name,
            device=settings.DEVICE,
            precision=settings.PRECISION,
            runtime=settings.RUNTIME,
            cache_dir=settings.COMPILED_MODELS_DIR,
        )
        evaluated = []
        for pairs in sets:
            with tqdm(desc=f"{name} on {pairs.name}", total=len(pairs.images), unit="image", disable=None) as bar:
                result = pack.verify(pairs, advance(bar))
            evaluated.append(Evaluated(name, result))
            if not quiet:
                self._print(evaluated[-1])
            if save:
                self._save(pack.manifest, result)
        return evaluated

    @staticmethod
    def _save(manifest, result) -> None:
        from recognition.evaluations.services import record_evaluation

        record_evaluation(actor=cli_actor(), manifest=manifest, result=result)

    def _print(self, evaluated: Evaluated) -> None:
        result = evaluated.result
        self.stdout.write(f"{evaluated.pack} on {result.set_name}")
        for label, text in figures_of(result.as_dict()):
            self.stdout.write(f"  {label:24} {text}")
        for note in result.notes:
            self.stdout.write(f"  {note}")
        for failure in result.failures[:MOST_FAILURES]:
            self.stdout.write(f"  could not be used: {failure.image}: {failure.reason} ({failure.pairs} pairs)")
        if (more := len(result.failures) - MOST_FAILURES) > 0:
            self.stdout.write(f"  and {more} more; --json or --report lists all")

    def _report(self, folder: Path, evaluated: list[Evaluated], *, quiet: bool) -> None:
        try:
            write_report(folder, evaluated)
        except OSError as error:
            raise CommandError(f"The report cannot be written to {folder}: {error.strerror}.") from error
        (sys.stderr if quiet else self.stdout).write(f"Report: {folder / 'index.html'}\n")
