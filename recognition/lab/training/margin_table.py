"""Trains the eight settings of ArcFace's table on one set, with the same seed and steps, beside the published figures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from recognition.lab.evaluation.sets import VerificationSet
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.faces import Faces
from recognition.lab.training.loop import Outcome, Run, Trainer
from recognition.lab.training.nets import new_net
from recognition.lab.training.options import Options


@dataclass(frozen=True, slots=True)
class Setting:
    """published: accuracy in % on LFW, CFP-FP and AgeDB-30 of r100 trained on MS1M (ArcFace, CVPR 2019)."""

    name: str
    m1: float
    m2: float
    m3: float
    published: tuple[float, float, float]


SETTINGS = (
    Setting("W&F norm softmax", 1, 0, 0, (99.28, 88.50, 95.13)),
    Setting("SphereFace", 1.5, 0, 0, (99.76, 94.17, 97.30)),
    Setting("CosineFace", 1, 0, 0.35, (99.80, 94.4, 97.91)),
    Setting("ArcFace", 1, 0.5, 0, (99.83, 94.04, 98.08)),
    Setting("combined", 1.2, 0.4, 0, (99.80, 94.08, 98.05)),
    Setting("combined", 1.1, 0, 0.35, (99.81, 94.50, 98.08)),
    Setting("combined", 1, 0.3, 0.2, (99.83, 94.51, 98.13)),
    Setting("combined", 0.9, 0.4, 0.15, (99.83, 94.20, 98.16)),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A setting and what came of it; as text, a line of the table."""

    setting: Setting
    outcome: Outcome

    def __str__(self) -> str:
        setting, outcome = self.setting, self.outcome
        margins = f"{setting.m1:g}, {setting.m2:g}, {setting.m3:g}"
        published = " / ".join(f"{value:5.2f}" for value in setting.published)
        accuracies = " / ".join(f"{100 * value:5.2f}" for value in outcome.accuracies.values())
        return f"{setting.name:18} {margins:14} {outcome.loss:8.3f} {accuracies:>24}   {published}"


def header(sets: Sequence[VerificationSet]) -> str:
    """The table's first line."""
    names = " / ".join(pairs.name for pairs in sets)
    return f"{'loss':18} {'m1, m2, m3':14} {'loss':>8} {names + ', %':>24}   published: LFW / CFP-FP / AgeDB-30, %"


def train_all(
    faces: Faces,
    options: Options,
    run: Run,
    sets: Sequence[VerificationSet],
    say: Callable[[str], object] = lambda text: None,
) -> Iterator[Row]:
    """Trains each setting in its own folder below run.folder. Started again, it continues where it stopped.

    Raises TrainingError.
    """
    if not sets:
        raise TrainingError("The table needs a set to judge by: hold people out with --hold-out, or give --eval-set.")
    if options.network is None:
        raise TrainingError("The table trains new nets: give --network.")
    for number, setting in enumerate(SETTINGS, 1):
        say(f"{number}/{len(SETTINGS)}: {setting.name} ({setting.m1:g}, {setting.m2:g}, {setting.m3:g})")
        own = replace(options, loss="combined", m1=setting.m1, m2=setting.m2, m3=setting.m3)
        folder = run.folder / f"{number}-{setting.m1:g}-{setting.m2:g}-{setting.m3:g}"
        net = new_net(options.network, own.dim_used, own.seed, own.width)
        trainer = Trainer(net, faces, own, replace(run, folder=folder, resume=True), sets=sets)
        yield Row(setting, trainer.train())
