"""Builds a verification set from your own photos."""

import sys
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from recognition.engine.manifest import PackError
from recognition.engine.runnable import DeviceError
from recognition.management.progress_bars import advance


class Command(BaseCommand):
    help = (
        "Builds a verification set in InsightFace's .bin format, from a folder with one folder per person or from a list of "
        "pairs (a CSV with the columns a, b, same, or a .txt like LFW's pairs.txt)."
    )
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("source", type=Path, metavar="DIR|PAIRS.csv|PAIRS.txt")
        parser.add_argument("out", type=Path, metavar="OUT.bin")
        parser.add_argument("--pack", default=settings.DEFAULT_PACK, help="the pack whose detector finds the faces")
        parser.add_argument(
            "--photos",
            type=Path,
            metavar="DIR",
            help="folder that a list's paths start from; default: its own",
        )
        parser.add_argument("--aligned", action="store_true", help="the images are already aligned crops of 112 px")
        parser.add_argument("--pairs", type=int, help="number of pairs to draw from a folder; default: all, up to 6000")
        parser.add_argument("--folds", type=int, default=10)
        parser.add_argument("--seed", type=int, default=0, help="another seed draws other pairs")
        parser.add_argument(
            "--list", type=Path, metavar="OUT.csv", help="also write the pairs with the paths of their photos"
        )
        parser.add_argument("--force", action="store_true", help="replace OUT.bin")

    def handle(self, *, source, out, force, list, **options):
        from recognition.lab.evaluation.sets import SetError

        if out.exists() and not force:
            raise CommandError(f"{out} already exists. Add --force to replace it.")
        if options["folds"] < 2:
            raise CommandError("--folds must be 2 or more.")
        try:
            self._build(source, out, list, **options)
        except (SetError, PackError, DeviceError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or out} cannot be written: {error.strerror}.") from error

    def _build(self, source, out, list_path, *, pack, photos, aligned, pairs, folds, seed, **options):
        from recognition.engine.pipeline import Pipeline
        from recognition.lab.evaluation import build
        from recognition.lab.evaluation.sets import read_set

        given = None if source.is_dir() else read_set(source, photos=photos, aligned=aligned)
        pipeline = None
        if not (aligned or (given is not None and given.aligned)):
            pack_dir = settings.MODELS_DIR / pack
            pipeline = Pipeline.load(pack_dir, device=settings.DEVICE, precision=settings.PRECISION)
        chips = build.face_chips(pipeline)
        with tqdm(desc="photos", disable=not sys.stderr.isatty()) as bar:
            progress = advance(bar)
            if given is None:
                built = build.from_folder(source, out, chips, count=pairs, folds=folds, seed=seed, progress=progress)
            else:
                built = build.from_pairs(given, out, chips, progress=progress)
        if list_path:
            images = build.photos_in(source) if given is None else given.images
            build.write_list(list_path, images, built.pairs)
        self._report(built, out)

    def _report(self, built, out: Path) -> None:
        for failure in built.failures:
            self.stdout.write(f"left out  {failure.image}: {failure.reason}")
        same = sum(flag for *_, flag in built.pairs)
        people = f" of {built.people} people" if built.people else ""
        folds = {True: " No person is in two folds.", False: " Folds share people.", None: ""}[built.disjoint]
        self.stdout.write(
            f"{out}: {len(built.pairs)} pairs, {same} of one person and {len(built.pairs) - same} of two, from "
            f"{built.photos} photos{people}.{folds} Photos left out: {len(built.failures)}. Pairs left out: {built.dropped}."
        )
