"""A run from its first step, or from where it stopped, to its last: learn, look at how good it is, keep it.

What a step does depends on the options, the set and the step's number alone – which faces, how they are changed, what
Dropout drops. So a run that was killed and resumed goes through the same losses as one that was not.
"""

import hashlib
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recognition.lab.evaluation.embedding import CROP, Embed, crops
from recognition.lab.evaluation.protocol import verify
from recognition.lab.evaluation.sets import VerificationSet
from recognition.lab.training.batches import Batches, prepared
from recognition.lab.training.checkpoint import assert_numbers, load_checkpoint, save_checkpoint
from recognition.lab.training.curves import Curves
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.exchange import Exchange
from recognition.lab.training.faces import Faces
from recognition.lab.training.learner import Learner, Step
from recognition.lab.training.nets import TrainableNet
from recognition.lab.training.options import Options
from recognition.lab.training.sampling import Sampler

LAST, BEST = "last.npz", "best.npz"
WINDOW = 20  # steps, over which the speed is measured


@dataclass(frozen=True, slots=True)
class Progress:
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
    """Where and how a run is made; none of this changes what it computes.

    check_every: steps between looks at the sets and checkpoints; None: 2000 as published, or an epoch where that is less.
    patience: looks without a better accuracy after which the run ends. stop: asked after each step, whether to end now.
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
    """best: the highest mean accuracy over the sets, and the step it was seen at; None without sets.

    accuracies: by set, at the last look. losses: of the steps of this process's own run.
    """

    step: int
    loss: float
    best: float | None = None
    best_step: int | None = None
    accuracies: dict[str, float] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)


class Trainer:
    """sets: looked at on the way; the mean of their accuracies decides which checkpoint is the best."""

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
        exchange = exchange or Exchange(len(run.devices))
        self._leads = exchange.rank == 0
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
        self._set = hashlib.sha256(faces.labels.tobytes()).hexdigest()
        self._waited, self._stopping = 0, False
        self.outcome = Outcome(0, math.nan)
        self._begin()

    def train(self) -> Outcome:
        """Raises TrainingError; the last good checkpoint is kept."""
        first, times = self.outcome.step, deque([time.monotonic()], WINDOW + 1)
        if self._leads and not first:
            self._look(0)
        for step, chips, labels in prepared(self.batches, first, self.steps, threads=self.run.threads):
            rate = self._schedule.at(step)
            seed = (self.options.seed * 1_000_003 + step * 101 + self._rank * 17) % 2**31
            found = self.learner.learn(chips, labels, rate=rate, seed=seed, stop=self._stopping)
            self._assert_number(found, step)
            times.append(time.monotonic())
            self._after(step + 1, found, rate, times)
            if found.stop:
                break
        if self._leads:
            self._curves.draw()
        return self.outcome

    def _begin(self) -> None:
        folder, last = self.run.folder, self.run.folder / LAST
        folder.mkdir(parents=True, exist_ok=True)
        if last.exists() and not self.run.resume:
            raise TrainingError(
                f"There is a training in {folder} already. Go on with it by --resume, or take another folder."
            )
        if last.exists():
            self._take_up(*load_checkpoint(last))
        if self._leads:
            self._curves = Curves(folder, resumed_at=self.outcome.step)

    def _take_up(self, arrays: dict, facts: dict) -> None:
        if differences := self.options.differences(facts["options"]):
            raise TrainingError(
                f"The training in {self.run.folder} was begun with other options: {'; '.join(differences)}. Resume it with "
                "those, or take another folder."
            )
        if facts["set"] != self._set:
            raise TrainingError(f"The training in {self.run.folder} was begun on another set. Take another folder.")
        try:
            self.learner.restore(arrays)
        except (KeyError, ValueError) as error:
            raise TrainingError(f"The checkpoint in {self.run.folder} is of another net or set ({error}).") from error
        self._waited = facts["waited"]
        self.outcome = Outcome(facts["step"], facts["loss"], facts["best"], facts["best_step"], facts["accuracies"])
        self.run.say(f"Resumed at step {facts['step']}.")

    def _assert_number(self, found: Step, step: int) -> None:
        if not math.isfinite(found.loss):
            kept = self.run.folder / LAST
            raise TrainingError(
                f"The loss is no number any more, at step {step + 1}. "
                + (f"The checkpoint before it, {kept}, is good. " if kept.exists() else "")
                + "Lower --lr (a tenth), or lengthen --warm-up, or take a smaller margin or --scale; then run again."
            )

    def _after(self, done: int, found: Step, rate: float, times: deque[float]) -> None:
        self.outcome.step, self.outcome.loss = done, found.loss
        self.outcome.losses.append(found.loss)
        if not self._leads:
            return
        if self.run.stop():
            self._stopping = True
        ends = done == self.steps or found.stop
        if done % self.run.log_every == 0 or ends:
            self._log(done, found, rate, times)
        if done % self._check_every == 0 or ends:
            self._look(done)
            times.clear()
            times.append(time.monotonic())

    def _log(self, done: int, found: Step, rate: float, times: deque[float]) -> None:
        speed = (len(times) - 1) * self._batch / max(times[-1] - times[0], 1e-9)
        epoch = done / self._steps_an_epoch
        left = (self.steps - done) * self._batch / max(speed, 1e-9)
        self.run.report(Progress(done, self.steps, epoch, found.loss, found.right, rate, speed, left))
        numbers = (f"{found.loss:.6f}", f"{found.right:.4f}", f"{rate:.6g}", f"{speed:.1f}")
        self._curves.add_loss(done, f"{epoch:.3f}", *numbers)

    def _look(self, done: int) -> None:
        """Evaluates, keeps the checkpoint, and decides whether there is still hope. At step nought: evaluates alone."""
        state = self.learner.state() if done else {}
        assert_numbers(self.run.folder / LAST, state)
        embed = self.learner.embedder() if self.sets else None
        self.outcome.accuracies = {pairs.name: self._verify(embed, pairs, done) for pairs in self.sets}
        mean = float(np.mean(list(self.outcome.accuracies.values()))) if self.sets else None
        better = mean is not None and done > 0 and (self.outcome.best is None or mean > self.outcome.best)
        if better:
            self.outcome.best, self.outcome.best_step, self._waited = mean, done, 0
        elif done and mean is not None:
            self._waited += 1
        if done:
            self._keep(state, better)
        if self.run.patience and self._waited >= self.run.patience:
            self.run.say(f"No better for {self._waited} looks: the training ends early.")
            self._stopping = True

    def _verify(self, embed: Embed, pairs: VerificationSet, done: int) -> float:
        result = verify(embed, pairs, chips=crops if self.net.size == CROP else list, metric=self.net.metric)
        if result.accuracy is None:
            raise TrainingError(f"The set {pairs.name} cannot be evaluated: {' '.join(result.notes)}")
        self.run.say(
            f"step {done}: {pairs.name}: accuracy {result.accuracy:.4f} ± {result.deviation:.4f}, ROC-AUC {result.auc:.4f}"
        )
        self._curves.add_accuracy(
            done, pairs.name, f"{result.accuracy:.6f}", f"{result.deviation:.6f}", f"{result.auc:.6f}"
        )
        return result.accuracy

    def _keep(self, state: dict[str, np.ndarray], better: bool) -> None:
        found = self.outcome
        facts = {
            "step": found.step,
            "loss": found.loss,
            "best": found.best,
            "best_step": found.best_step,
            "accuracies": found.accuracies,
            "waited": self._waited,
            "options": self.options.as_dict(),
            "set": self._set,
        }
        if better:  # first: killed between the two, a resumed run comes here again
            params = {name: array for name, array in state.items() if name.startswith("param:")}
            save_checkpoint(self.run.folder / BEST, params, facts)
        save_checkpoint(self.run.folder / LAST, state, facts)
        self._curves.draw()


def trained_params(folder: Path, which: str = BEST) -> tuple[dict[str, np.ndarray], dict]:
    """The params of a finished run's best checkpoint, or of its last where no set was looked at; and its facts."""
    path = folder / which
    arrays, facts = load_checkpoint(path if path.exists() else folder / LAST)
    return {name.removeprefix("param:"): array for name, array in arrays.items() if name.startswith("param:")}, facts
