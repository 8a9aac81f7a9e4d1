"""Verifies model packs on sets of labelled pairs, as published."""

import sys
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from tqdm import tqdm

from accounts.actor import cli_actor
from recognition.engine.manifest import PackError, load_manifest
from recognition.engine.mxnet_runtime import DeviceError
from recognition.lab.evaluation.figures import figures_of
from recognition.lab.evaluation.report import MOST_FAILURES, Evaluated, as_json, write_report
from recognition.lab.evaluation.sets import SetError, VerificationSet, read_set


class Command(BaseCommand):
    help = (
        "Verifies packs on sets: InsightFace's .bin, a CSV of pairs (columns a, b, same = 1 or 0), or LFW's pairs.txt. "
        "--pack and --set may be given several times: every pack is tried on every set."
    )
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--pack", action="append", dest="packs", metavar="NAME", help="default: the default pack")
        parser.add_argument("--set", action="append", dest="sets", type=Path, required=True, metavar="FILE")
        parser.add_argument("--photos", type=Path, metavar="DIR", help="where a list's paths begin; default: beside it")
        parser.add_argument("--aligned", action="store_true", help="a list's images are aligned crops of 112 px")
        parser.add_argument("--json", action="store_true", help="print all numbers as one JSON list")
        parser.add_argument("--report", type=Path, metavar="DIR", help="write a page with ROC and histograms")
        parser.add_argument("--no-save", action="store_true", help="do not keep the figures for the Evaluations page")

    def handle(self, *, packs, sets, photos, aligned, json, report, no_save, **options):
        try:
            if not no_save:
                self._check_database()
            names = list(dict.fromkeys(packs or [settings.DEFAULT_PACK]))
            for name in names:
                load_manifest(settings.MODELS_DIR / name)
            read = [read_set(path, photos=photos, aligned=aligned) for path in dict.fromkeys(sets)]
            evaluated = [one for name in names for one in self._evaluate(name, read, save=not no_save, quiet=json)]
        except (SetError, PackError, DeviceError) as error:
            raise CommandError(str(error)) from error
        if json:
            self.stdout.write(as_json(evaluated))
        if report:
            self._report(report, evaluated, quiet=json)

    @staticmethod
    def _check_database() -> None:
        """Before an hour of work, not after it."""
        from recognition.evaluations.models import Evaluation

        try:
            Evaluation.objects.exists()
        except DatabaseError as error:
            raise CommandError(
                f"The figures cannot be kept: {str(error).strip().splitlines()[0]}. Run manage.py migrate, or add --no-save."
            ) from error

    def _evaluate(self, name: str, sets: list[VerificationSet], *, save: bool, quiet: bool) -> list[Evaluated]:
        from recognition.lab.evaluation.pack import PackUnderTest

        pack = PackUnderTest.load(settings.MODELS_DIR / name, device=settings.DEVICE, precision=settings.PRECISION)
        found = []
        for pairs in sets:
            with tqdm(desc=f"{name} on {pairs.name}", total=len(pairs.images), unit="image", disable=None) as bar:
                result = pack.verify(pairs, lambda done, total, bar=bar: bar.update(done - bar.n))
            found.append(Evaluated(name, result))
            if not quiet:
                self._print(found[-1])
            if save:
                self._save(pack.manifest, result)
        return found

    @staticmethod
    def _save(manifest, result) -> None:
        from recognition.evaluations.services import record_evaluation

        record_evaluation(actor=cli_actor(), manifest=manifest, result=result)

    def _print(self, one: Evaluated) -> None:
        self.stdout.write(f"{one.pack} on {one.result.set_name}")
        for label, said in figures_of(one.result.as_dict()):
            self.stdout.write(f"  {label:24} {said}")
        for note in one.result.notes:
            self.stdout.write(f"  {note}")
        for failure in one.result.failures[:MOST_FAILURES]:
            self.stdout.write(f"  cannot be used: {failure.image}: {failure.reason} ({failure.pairs} pairs)")
        if (more := len(one.result.failures) - MOST_FAILURES) > 0:
            self.stdout.write(f"  and {more} more; --json or --report lists all")

    def _report(self, folder: Path, evaluated: list[Evaluated], *, quiet: bool) -> None:
        try:
            write_report(folder, evaluated)
        except OSError as error:
            raise CommandError(f"The report cannot be written to {folder}: {error.strerror}.") from error
        (sys.stderr if quiet else self.stdout).write(f"Report: {folder / 'index.html'}\n")
