"""Verifies model packs on sets of labelled pairs, and searches with strangers among people, by the published protocols."""

import sys
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from tqdm import tqdm

from accounts.actor import cli_actor
from faceplatform.database.trouble import cause_of, trouble_of
from recognition.engine.manifest import PackError, load_manifest
from recognition.engine.runnable import DeviceError
from recognition.lab.evaluation.build import photos_in
from recognition.lab.evaluation.figures import figures_of, in_pairs
from recognition.lab.evaluation.open_set import Plan
from recognition.lab.evaluation.report import MOST_FAILURES, Evaluated, as_json, write_report
from recognition.lab.evaluation.sets import PhotoFiles, SetError, VerificationSet, read_set
from recognition.management.open_set import add_plan, evaluate_gallery_called, plan_of
from recognition.management.progress_bars import advance


class Command(BaseCommand):
    help = (
        "Verifies model packs on sets: InsightFace's .bin, a CSV of pairs (columns a, b, same = 1 or 0), or LFW's pairs.txt. "
        "With --people or --gallery, people are searched for among each other, with strangers who are not enrolled. "
        "--pack, --set and --people may be repeated; every pack is tried on every set and folder."
    )
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--pack", action="append", dest="packs", metavar="NAME", help="default: the default pack")
        parser.add_argument("--set", action="append", dest="sets", type=Path, metavar="FILE")
        parser.add_argument(
            "--photos",
            type=Path,
            metavar="DIR",
            help="folder that a list's paths start from; default: its own",
        )
        parser.add_argument("--aligned", action="store_true", help="a list's images are aligned crops of 112 px")
        parser.add_argument(
            "--people", action="append", type=Path, metavar="DIR", help="a folder of photos for each person"
        )
        parser.add_argument(
            "--gallery", metavar="SLUG", help="the enrolled faces of a gallery, by its pack; never stored"
        )
        add_plan(parser)
        parser.add_argument("--json", action="store_true", help="print all figures as one JSON list")
        parser.add_argument("--report", type=Path, metavar="DIR", help="write a page with ROC and histograms")
        parser.add_argument("--no-save", action="store_true", help="do not store the figures for the Evaluations page")

    def handle(self, *, packs, sets, photos, aligned, people, gallery, json, report, no_save, **options):
        if not (sets or people or gallery):
            raise CommandError("Say what to evaluate on: --set FILE, --people DIR or --gallery SLUG.")
        if gallery and packs:
            raise CommandError("A gallery is evaluated by its own pack. Leave --pack out.")
        plan = plan_of(options)
        try:
            plan.check()
            evaluated = [self._evaluate_gallery(gallery, plan, quiet=json)] if gallery else []
            if sets or people:
                if not no_save:
                    self._check_database()
                names = list(dict.fromkeys(packs or [settings.DEFAULT_PACK]))
                for name in names:
                    load_manifest(settings.MODELS_DIR / name)
                loaded = [read_set(path, photos=photos, aligned=aligned) for path in dict.fromkeys(sets or [])]
                folders = [photos_in(folder) for folder in dict.fromkeys(people or [])]
                for name in names:
                    evaluated += self._evaluate(name, loaded, folders, plan, save=not no_save, quiet=json)
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
            known = trouble_of(error)
            why = known.sentence if known else cause_of(error)
            raise CommandError(f"The figures cannot be stored, unless you add --no-save. {why}") from error

    def _evaluate(
        self,
        name: str,
        sets: list[VerificationSet],
        folders: list[PhotoFiles],
        plan: Plan,
        *,
        save: bool,
        quiet: bool,
    ) -> list[Evaluated]:
        from recognition.lab.evaluation.pack import PackUnderTest
        from recognition.lab.evaluation.people import evaluate_people

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
                evaluated.append(Evaluated(name, pack.verify(pairs, advance(bar))))
            self._done(evaluated[-1], pack.manifest, save=save, quiet=quiet)
        for images in folders:
            with tqdm(desc=f"{name} on {images.folder}", total=len(images), unit="image", disable=None) as bar:
                evaluated.append(Evaluated(name, evaluate_people(pack.pipeline, images, plan, progress=advance(bar))))
            self._done(evaluated[-1], pack.manifest, save=save, quiet=quiet)
        return evaluated

    def _evaluate_gallery(self, slug: str, plan: Plan, *, quiet: bool) -> Evaluated:
        evaluated = evaluate_gallery_called(slug, plan)
        self._done(evaluated, None, save=False, quiet=quiet)
        return evaluated

    def _done(self, evaluated: Evaluated, manifest, *, save: bool, quiet: bool) -> None:
        if not quiet:
            self._print(evaluated)
        if save:
            self._save(manifest, evaluated.result)

    @staticmethod
    def _save(manifest, result) -> None:
        from recognition.evaluations.services import record_evaluation

        record_evaluation(actor=cli_actor(), manifest=manifest, result=result)

    def _print(self, evaluated: Evaluated) -> None:
        result = evaluated.result
        self.stdout.write(f"{evaluated.pack} on {result.set_name}")
        figures = figures_of(result.as_dict())
        width = max(24, *(len(label) for label, _ in figures))
        for label, text in figures:
            self.stdout.write(f"  {label:{width}} {text}")
        for note in result.notes:
            self.stdout.write(f"  {note}")
        for failure in result.failures[:MOST_FAILURES]:
            self.stdout.write(f"  could not be used: {failure.image}: {failure.reason}{in_pairs(failure)}")
        if (more := len(result.failures) - MOST_FAILURES) > 0:
            self.stdout.write(f"  and {more} more; --json or --report lists all")

    def _report(self, folder: Path, evaluated: list[Evaluated], *, quiet: bool) -> None:
        try:
            write_report(folder, evaluated)
        except OSError as error:
            raise CommandError(f"The report cannot be written to {folder}: {error.strerror}.") from error
        (sys.stderr if quiet else self.stdout).write(f"Report: {folder / 'index.html'}\n")
