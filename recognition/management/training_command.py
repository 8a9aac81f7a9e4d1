"""What the training commands share: errors, progress, interruption, data sets and devices."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import import_mxnet
from recognition.engine.runnable import DeviceError
from recognition.lab.evaluation.sets import SetError, VerificationSet, read_set
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.export import PackFacts
from recognition.lab.training.faces import RecordFaces
from recognition.lab.training.folders import open_faces
from recognition.lab.training.loop import Progress
from recognition.management.progress_bars import advance

TRAININGS = "training"  # a folder in the data directory
DEFAULT_DETECTOR = settings.DEFAULT_PACK


class TrainingCommand(BaseCommand):
    """A command that trains a net. The first Ctrl-C ends the training with a checkpoint."""

    requires_system_checks = []
    _bar: tqdm | None = None
    _stop_requested = False
    train: Callable[..., None]  # called with the command's options; may raise TrainingError, PackError, SetError

    def handle(self, **options):
        import_mxnet(threads=options["threads"] or len(os.sched_getaffinity(0)))
        try:
            with self._interruptible():
                self.train(**options)
        except DeviceError as error:
            raise CommandError(f"{error} To train on the CPU, use --devices cpu.") from error
        except (TrainingError, PackError, SetError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:  # such as a full disk, at any point
            place = error.filename or "A file"
            raise CommandError(
                f"{place} cannot be read or written: {error.strerror}. Fix that, then continue with --resume."
            ) from error
        finally:
            if self._bar is not None:
                self._bar.close()

    def hooks(self) -> dict[str, Callable]:
        """The callbacks of a `Run`."""
        return {"report": self._report, "say": self._say, "stop": lambda: self._stop_requested}

    def faces(self, dataset: Path, say: bool = True) -> RecordFaces:
        """The training set in `dataset`. A folder of photos is aligned once; the result is kept in the data directory."""
        with tqdm(desc="photos aligned", disable=not sys.stderr.isatty() or not say) as bar:
            faces = open_faces(
                dataset,
                settings.DATA_DIR / TRAININGS / "sets",
                settings.MODELS_DIR / DEFAULT_DETECTOR,
                advance(bar),
            )
        if say:
            self._say(f"{len(faces.labels)} faces of {faces.classes} people in {dataset}.")
        return faces

    def sets(self, paths: list[Path]) -> list[VerificationSet]:
        """The verification sets to measure with. Raises SetError, and TrainingError if two have the same name."""
        sets = [read_set(path, aligned=True) for path in paths]
        if len({pairs.name for pairs in sets}) < len(sets):
            raise TrainingError("Two of the sets have the same name. Rename one of the files.")
        return sets

    def pack_facts(
        self, *, export_pack, licence, commercial_use, title, force, detector=DEFAULT_DETECTOR, **options
    ) -> PackFacts:
        """The facts of the pack to export. Checked before the training: raises TrainingError if no pack could be made."""
        if not licence:
            raise TrainingError(
                "A pack states the licence under which it may be used. Add --licence, such as “our own”."
            )
        if (settings.MODELS_DIR / export_pack).exists() and not force:
            raise TrainingError(f"There is already a pack {export_pack}. Choose another name, or add --force.")
        return PackFacts(export_pack, licence, detector, commercial_use, title or export_pack, force)

    def _report(self, progress: Progress) -> None:
        text = f"epoch {progress.epoch:.2f}, loss {progress.loss:.4f}, right {progress.right:.3f}, rate {progress.rate:.4g}"
        if sys.stderr.isatty():
            if self._bar is None:
                self._bar = tqdm(total=progress.steps, unit="step")
            self._bar.n = progress.step
            self._bar.set_postfix_str(f"{progress.images_per_second:.1f} images/s, {text}")
        else:
            left = f"{progress.seconds_left / 60:.0f} min left"
            speed = f"{progress.images_per_second:.1f} images/s"
            self.stdout.write(f"step {progress.step}/{progress.steps}, {text}; {speed}, {left}")
            self.stdout.flush()

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first Ctrl-C or SIGTERM ends the training after the current step, with a checkpoint; the second ends it at once."""

        def request_stop(number: int, frame: FrameType | None) -> None:
            if self._stop_requested:
                raise KeyboardInterrupt
            self._stop_requested = True
            self._say("Stopping after this step, with a checkpoint. Continue later with --resume.")

        previous = {number: signal.signal(number, request_stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
