"""What the training commands share: errors, progress, being interrupted, sets and devices."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import DeviceError, import_mxnet
from recognition.lab.evaluation.sets import SetError, VerificationSet, read_set
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.export import PackFacts
from recognition.lab.training.folders import open_faces
from recognition.lab.training.loop import Progress

TRAININGS = "training"  # folder in the data directory
DEFAULT_DETECTOR = "dlib-resnet"


class TrainingCommand(BaseCommand):
    requires_system_checks = []

    def handle(self, **options):
        import_mxnet(threads=options["threads"] or len(os.sched_getaffinity(0)))
        self._bar = None
        try:
            with self._interruptible():
                self.train(**options)
        except DeviceError as error:
            raise CommandError(f"{error} For a training that is --devices cpu.") from error
        except (TrainingError, PackError, SetError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:  # such as a full disk, wherever it is met
            place = error.filename or "A file"
            raise CommandError(
                f"{place} cannot be read or written: {error.strerror}. Mend that, and go on by --resume."
            ) from error
        finally:
            if self._bar is not None:
                self._bar.close()

    def hooks(self) -> dict:
        return {"report": self._report, "say": self._say, "stop": lambda: self._asked_to_stop}

    def faces(self, dataset: Path, say: bool = True):
        """The set in `dataset`; photos of people are aligned once and kept in the data directory."""
        with tqdm(desc="photos aligned", disable=not sys.stderr.isatty() or not say) as bar:
            faces = open_faces(
                dataset,
                settings.DATA_DIR / TRAININGS / "sets",
                settings.MODELS_DIR / DEFAULT_DETECTOR,
                lambda number, of: (bar.reset(of), bar.update(number)),
            )
        if say:
            self._say(f"{len(faces.labels)} faces of {faces.classes} people in {dataset}.")
        return faces

    def sets(self, paths: list[Path]) -> list[VerificationSet]:
        found = [read_set(path, aligned=True) for path in paths]
        if len({pairs.name for pairs in found}) < len(found):
            raise TrainingError("Two of the sets have the same name: rename one of the files.")
        return found

    def pack_facts(
        self, *, export_pack, licence, commercial_use, title, force, detector=DEFAULT_DETECTOR, **options
    ) -> PackFacts | None:
        """Told before the training what would stop its pack afterwards. Raises TrainingError."""
        if export_pack is None:
            return None
        if not licence:
            raise TrainingError("A pack says under which licence it may be used: add --licence, such as “our own”.")
        if (settings.MODELS_DIR / export_pack).exists() and not force:
            raise TrainingError(f"There is a pack {export_pack} already. Take another name, or add --force.")
        return PackFacts(export_pack, licence, commercial_use, title or export_pack, detector, force)

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
        """The first Ctrl-C or SIGTERM ends the training after its step, with a checkpoint; a second one ends it at once."""
        self._asked_to_stop = False

        def ask(number, frame):
            if self._asked_to_stop:
                raise KeyboardInterrupt
            self._asked_to_stop = True
            self._say("Ending after this step, with a checkpoint. Go on later by --resume.")

        kept = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
