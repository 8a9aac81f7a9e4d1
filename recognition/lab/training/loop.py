"""A training run, from its first step or from where it stopped to its last: learn, evaluate, save.

What a step does – which faces it takes, how they are augmented, what Dropout drops – depends only on the options, the set
and the step's number. So a run that was killed and resumed has the same losses as one that was not.
"""

import hashlib
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from recognition.lab.evaluation.embedding import CROP, Embed, crops, pixels, try_each
from recognition.lab.evaluation.protocol import verify
from recognition.lab.evaluation.sets import VerificationSet
from recognition.lab.training.batches import Batches, prefetched
from recognition.lab.training.checkpoint import assert_finite, load_checkpoint, save_checkpoint
from recognition.lab.training.curves import Curves
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.exchange import Exchange
from recognition.lab.training.faces import Faces
from recognition.lab.training.learner import Learner, Step
from recognition.lab.training.nets import TrainableNet
from recognition.lab.training.options import Options
from recognition.lab.training.sampling import Sampler

LAST, BEST = "last.npz", "best.npz"
WINDOW = 20  # steps over which the speed is measured


@dataclass(frozen=True, slots=True)
class Progress:
    """What is reported while a run goes on. right: as in Step. rate: the learning rate."""

    step: int
    steps: int
    epoch: float
    loss: float
    right: float
    rate: float
    images_per_second: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Run:
    """Where and how a run is made. None of this changes what it computes.

    check_every: steps between checks, which evaluate the sets and save a checkpoint; None: 2000 as published, or an epoch
    if that is shorter. log_every: steps between reports. patience: the run ends after so many checks without improvement.
    resume: continue a run in `folder`. stop: called after each step; whether to end now, with a checkpoint.
    """

    folder: Path
    devices: tuple[str, ...] = ("cpu",)
    threads: int = 2
    check_every: int | None = None
    log_every: int = 20
    patience: int | None = None
    resume: bool = False
    stop: Callable[[], bool] = lambda: False
    report: Callable[[Progress], object] = lambda progress: None
    say: Callable[[str], object] = lambda text: None


@dataclass(slots=True)
class Outcome:
    """step, loss: the last ones. best, best_step: the highest mean accuracy over the sets, and when; None without sets.

    accuracies: of each set, at the last check. losses: of the steps made by this process.
    """

    step: int
    loss: float
    best: float | None = None
    best_step: int | None = None
    accuracies: dict[str, float] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)


class Trainer:
    """Trains a net. Raises TrainingError if the run cannot be started or resumed.

    sets: evaluated at each check; the mean of their accuracies decides which checkpoint is the best.
    """

    def __init__(
        self,
        net: TrainableNet,
        faces: Faces,
        options: Options,
        run: Run,
        *,
        sets: Sequence[VerificationSet] = (),
        exchange: Exchange | None = None,
    ):
        self.net, self.options, self.run, self.sets = net, options, run, sets
        self._exchange = exchange = exchange or Exchange(len(run.devices))
        self._is_leader = exchange.rank == 0
        self._batch = options.batch * exchange.processes
        sampler = Sampler(
            faces.labels, batch=self._batch, seed=options.seed, sampling=options.sampling_used, group=options.group
        )
        self._steps_an_epoch = sampler.steps_an_epoch
        self.steps = options.total_steps(sampler.steps_an_epoch)
        self._schedule = options.make_schedule(self.steps)
        self._check_every = run.check_every or min(2000, sampler.steps_an_epoch)
        self.batches = Batches(
            faces, sampler, seed=options.seed, mirror=options.mirror, augment=options.augment,
            part=exchange.rank, parts=exchange.processes,
        )  # fmt: skip
        loss = options.make_loss(faces.classes, unit=net.metric == "cosine")
        own = loss.initial_params(net.dim, np.random.default_rng([options.seed, 1]))
        self.learner = Learner(
            net, loss, own, batch=options.batch, devices=run.devices, momentum=options.momentum,
            weight_decay=options.weight_decay, clip=options.clip, frozen_batchnorm=options.frozen_batchnorm, exchange=exchange,
        )  # fmt: skip
        self._rank = exchange.rank
        self._set_sha256 = hashlib.sha256(faces.labels.tobytes()).hexdigest()
        self._checks_without_gain, self._stopping = 0, False
        self.outcome = Outcome(0, math.nan)
        self._open_folder()

    def train(self) -> Outcome:
        """Runs all steps that are left. Raises TrainingError; the last good checkpoint is kept."""
        first, times = self.outcome.step, deque([time.monotonic()], WINDOW + 1)
        if self._is_leader and not first:
            self._evaluate_and_save(0)
        for step, chips, labels in prefetched(self.batches, first, self.steps, threads=self.run.threads):
            rate = self._schedule.at(step)
            seed = (self.options.seed * 1_000_003 + step * 101 + self._rank * 17) % 2**31
            result = self.learner.learn(chips, labels, rate=rate, seed=seed, stop=self._stopping)
            self._assert_finite(result, step)
            times.append(time.monotonic())
            self._finish_step(step + 1, result, rate, times)
            if result.stop:
                break
        self._exchange.finish()
        if self._is_leader:
            self._curves.draw()
        return self.outcome

    def _open_folder(self) -> None:
        folder, last = self.run.folder, self.run.folder / LAST
        folder.mkdir(parents=True, exist_ok=True)
        if last.exists() and not self.run.resume:
            raise TrainingError(
                f"There is already a training in {folder}. Continue it with --resume, or choose another folder."
            )
        if last.exists():
            self._restore(*load_checkpoint(last))
        if self._is_leader:
            self._curves = Curves(folder, resumed_at=self.outcome.step)

    def _restore(self, arrays: dict, facts: dict) -> None:
        if differences := self.options.differences(facts["options"]):
            raise TrainingError(
                f"The training in {self.run.folder} was started with other options: {'; '.join(differences)}. Resume it "
                "with those, or choose another folder."
            )
        if facts["set"] != self._set_sha256:
            raise TrainingError(f"The training in {self.run.folder} was started on another set. Choose another folder.")
        try:
            self.learner.restore(arrays)
        except (KeyError, ValueError) as error:
            raise TrainingError(
                f"The checkpoint in {self.run.folder} is of another net or set ({error}). Choose another folder."
            ) from error
        self._checks_without_gain = facts["waited"]
        self.outcome = Outcome(facts["step"], facts["loss"], facts["best"], facts["best_step"], facts["accuracies"])
        self.run.say(f"Resumed at step {facts['step']}.")

    def _assert_finite(self, result: Step, step: int) -> None:
        if not math.isfinite(result.loss):
            last = self.run.folder / LAST
            raise TrainingError(
                f"The loss is no longer a finite number at step {step + 1}. "
                + (f"The checkpoint before it, {last}, is good. " if last.exists() else "")
                + "Lower --lr to a tenth, lengthen --warm-up, or use a smaller margin or --scale; then run it again."
            )

    def _finish_step(self, steps_done: int, result: Step, rate: float, times: deque[float]) -> None:
        self.outcome.step, self.outcome.loss = steps_done, result.loss
        self.outcome.losses.append(result.loss)
        if not self._is_leader:
            return
        if self.run.stop():
            self._stopping = True
        ends = steps_done == self.steps or result.stop
        if steps_done % self.run.log_every == 0 or ends:
            self._log(steps_done, result, rate, times)
        if steps_done % self._check_every == 0 or ends:
            self._evaluate_and_save(steps_done)
            times.clear()
            times.append(time.monotonic())

    def _log(self, steps_done: int, result: Step, rate: float, times: deque[float]) -> None:
        speed = (len(times) - 1) * self._batch / max(times[-1] - times[0], 1e-9)
        epoch = steps_done / self._steps_an_epoch
        left = (self.steps - steps_done) * self._batch / max(speed, 1e-9)
        self.run.report(Progress(steps_done, self.steps, epoch, result.loss, result.right, rate, speed, left))
        numbers = (f"{result.loss:.6f}", f"{result.right:.4f}", f"{rate:.6g}", f"{speed:.1f}")
        self._curves.add_loss(steps_done, f"{epoch:.3f}", *numbers)

    def _evaluate_and_save(self, steps_done: int) -> None:
        """Evaluates the sets, saves a checkpoint, and stops if patience has run out. At step 0 it only evaluates."""
        state = self.learner.state() if steps_done else {}
        assert_finite(self.run.folder / LAST, state)
        self.outcome.accuracies = self._verify_all(steps_done)
        mean = float(np.mean(list(self.outcome.accuracies.values()))) if self.sets else None
        better = mean is not None and steps_done > 0 and (self.outcome.best is None or mean > self.outcome.best)
        if better:
            self.outcome.best, self.outcome.best_step, self._checks_without_gain = mean, steps_done, 0
        elif steps_done and mean is not None:
            self._checks_without_gain += 1
        if steps_done:
            self._save(state, better)
        if self.run.patience and self._checks_without_gain >= self.run.patience:
            self.run.say(f"No improvement in {self._checks_without_gain} checks: the training ends early.")
            self._stopping = True

    def _verify_all(self, steps_done: int) -> dict[str, float]:
        """The accuracy on each set, by its name."""
        if not self.sets:
            return {}
        embed = self.learner.embedder()
        return {pairs.name: self._verify(embed, pairs, steps_done) for pairs in self.sets}

    def _verify(self, embed: Embed, pairs: VerificationSet, steps_done: int) -> float:
        chips = crops if self.net.size == CROP else partial(try_each, pixels)
        result = verify(embed, pairs, chips=chips, metric=self.net.metric)
        if result.accuracy is None:
            raise TrainingError(f"The set {pairs.name} cannot be evaluated: {' '.join(result.notes)}")
        self.run.say(
            f"step {steps_done}: {pairs.name}: accuracy {result.accuracy:.4f} ± {result.deviation:.4f}, "
            f"ROC-AUC {result.auc:.4f}"
        )
        self._curves.add_accuracy(
            steps_done, pairs.name, f"{result.accuracy:.6f}", f"{result.deviation:.6f}", f"{result.auc:.6f}"
        )
        return result.accuracy

    def _save(self, state: dict[str, np.ndarray], better: bool) -> None:
        outcome = self.outcome
        facts = {
            "step": outcome.step,
            "loss": outcome.loss,
            "best": outcome.best,
            "best_step": outcome.best_step,
            "accuracies": outcome.accuracies,
            "waited": self._checks_without_gain,
            "options": self.options.as_dict(),
            "set": self._set_sha256,
        }
        if better:  # saved first: if the run is killed between the two, the resumed run comes here again
            params = {name: array for name, array in state.items() if name.startswith("param:")}
            save_checkpoint(self.run.folder / BEST, params, facts)
        save_checkpoint(self.run.folder / LAST, state, facts)
        self._curves.draw()


def trained_params(folder: Path, which: str = BEST) -> tuple[dict[str, np.ndarray], dict]:
    """The params and the facts of a run's best checkpoint, or of its last one if no set was evaluated.

    Raises TrainingError.
    """
    path = folder / which
    arrays, facts = load_checkpoint(path if path.exists() else folder / LAST)
    return {name.removeprefix("param:"): array for name, array in arrays.items() if name.startswith("param:")}, facts
