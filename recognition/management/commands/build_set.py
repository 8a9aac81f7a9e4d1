"""Makes a verification set from your own photos."""

import sys
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import DeviceError


class Command(BaseCommand):
    help = (
        "Makes a verification set in InsightFace's .bin format: from a folder with a folder per person, or from a pair list "
        "(CSV with the columns a, b, same, or a .txt like LFW's pairs.txt)."
    )
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("source", type=Path, metavar="DIR|PAIRS.csv|PAIRS.txt")
        parser.add_argument("out", type=Path, metavar="OUT.bin")
        parser.add_argument("--pack", default=settings.DEFAULT_PACK, help="whose detector finds the faces")
        parser.add_argument("--photos", type=Path, metavar="DIR", help="where a list's paths begin; default: beside it")
        parser.add_argument("--aligned", action="store_true", help="the images are aligned crops of 112 px already")
        parser.add_argument("--pairs", type=int, help="how many to draw from a folder; default: all, at most 6000")
        parser.add_argument("--folds", type=int, default=10)
        parser.add_argument("--seed", type=int, default=0, help="draws other pairs")
        parser.add_argument("--list", type=Path, metavar="OUT.csv", help="write the pairs with their photos' paths too")
        parser.add_argument("--force", action="store_true", help="replace OUT.bin")

    def handle(self, *, source, out, force, list, **options):
        from recognition.lab.evaluation.sets import SetError

        if out.exists() and not force:
            raise CommandError(f"{out} is there already. Add --force to replace it.")
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

            def progress(done, total):
                bar.total = total
                bar.update(done - bar.n)

            if given is None:
                made = build.from_folder(source, out, chips, count=pairs, folds=folds, seed=seed, progress=progress)
            else:
                made = build.from_pairs(given, out, chips, progress=progress)
        if list_path:
            images = build.photos_in(source) if given is None else given.images
            build.write_list(list_path, images, made.pairs)
        self._say(made, out)

    def _say(self, made, out: Path) -> None:
        for failure in made.failures:
            self.stdout.write(f"left out  {failure.image}: {failure.reason}")
        same = sum(flag for *_, flag in made.pairs)
        of = f" of {made.people} people" if made.people else ""
        disjoint = {True: " No person is in two folds.", False: " Folds share people.", None: ""}[made.disjoint]
        self.stdout.write(
            f"{out}: {len(made.pairs)} pairs, {same} of one person and {len(made.pairs) - same} of two, from "
            f"{made.photos} photos{of}.{disjoint} Photos left out: {len(made.failures)}. Pairs left out: {made.dropped}."
        )
