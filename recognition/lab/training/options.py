"""Everything that decides the result of a training, with the published values as defaults."""

from dataclasses import asdict, dataclass

from recognition.lab.training.errors import TrainingError
from recognition.lab.training.losses import Loss, MarginLoss, TripletLoss
from recognition.lab.training.margins import NAMED, Margin, named_margin
from recognition.lab.training.sampling import SAMPLINGS
from recognition.lab.training.schedule import SCHEDULES, Schedule, published_drops

NETWORKS = ("r18", "r34", "r50", "r100", "mbf")
LOSSES = (*NAMED, "triplet")
PUBLISHED_STEPS = 180_000
DIMS = {"mbf": 128}
DEFAULT_DIM = 512


@dataclass(frozen=True, slots=True)
class Options:
    """The options of docs/training.md. Raises TrainingError if a value cannot be used.

    network: None if a pack's net is trained. dim: None for the network's usual one. m1, m2, m3, scale, extension: None for
    the loss's own. alpha, group: for triplets. batch: of each process. processes: how many take part. epochs: takes
    precedence over steps. drops: steps at which the rate drops to a tenth; None: at the same fractions of the run as
    published. clip: the most that a step may move an array, as a fraction of the array's length.
    """

    network: str | None = "r50"
    dim: int | None = None
    width: float = 1.0
    loss: str = "arcface"
    m1: float | None = None
    m2: float | None = None
    m3: float | None = None
    scale: float | None = None
    extension: str | None = None
    alpha: float = 0.3
    group: int = 5
    batch: int = 128
    processes: int = 1
    steps: int | None = None
    epochs: float | None = None
    lr: float = 0.1
    schedule: str = "steps"
    drops: tuple[int, ...] | None = None
    warm_up: int = 0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip: float | None = None
    mirror: bool = True
    augment: bool = False
    sampling: str | None = None
    hold_out: int = 0
    seed: int = 0
    frozen_batchnorm: bool = False

    def __post_init__(self) -> None:
        for name, known in (
            ("network", (*NETWORKS, None)),
            ("loss", LOSSES),
            ("schedule", SCHEDULES),
            ("sampling", (*SAMPLINGS, None)),
        ):
            if getattr(self, name) not in known:
                raise TrainingError(
                    f"There is no {name} “{getattr(self, name)}”. Known: {', '.join(filter(None, known))}."
                )
        for name in ("batch", "processes", "group", "lr", "alpha", "width"):
            if not getattr(self, name) > 0:
                raise TrainingError(f"The option {name} must be above 0.")
        for name in ("warm_up", "momentum", "weight_decay", "hold_out", "seed"):
            if getattr(self, name) < 0:
                raise TrainingError(f"The option {name} must not be below 0.")
        if self.clip is not None and not self.clip > 0:
            raise TrainingError("The option clip must be above 0.")
        if self.loss != "triplet":
            self._margin()

    def _margin(self) -> Margin:
        try:
            return named_margin(
                self.loss, m1=self.m1, m2=self.m2, m3=self.m3, scale=self.scale, extension=self.extension
            )
        except ValueError as error:
            raise TrainingError(str(error)) from error

    def make_loss(self, classes: int, *, unit: bool = True) -> Loss:
        """The loss over so many people. unit: whether the net's vectors are compared at unit length."""
        if self.loss == "triplet":
            return TripletLoss(self.alpha, unit=unit)
        return MarginLoss(self._margin(), classes)

    @property
    def sampling_used(self) -> str:
        return self.sampling or ("identities" if self.loss == "triplet" else "shuffled")

    @property
    def dim_used(self) -> int:
        if self.dim:
            return self.dim
        return DEFAULT_DIM if self.network is None else DIMS.get(self.network, DEFAULT_DIM)

    def total_steps(self, steps_an_epoch: int) -> int:
        if self.epochs is not None:
            return max(round(self.epochs * steps_an_epoch), 1)
        return self.steps or PUBLISHED_STEPS

    def make_schedule(self, steps: int) -> Schedule:
        drops = self.drops if self.drops is not None else published_drops(steps)
        return Schedule(self.schedule, self.lr, steps, self.warm_up, tuple(drops))

    def as_dict(self) -> dict:
        """All options, ready for JSON."""
        return {**asdict(self), "drops": None if self.drops is None else list(self.drops)}

    def differences(self, other: dict) -> list[str]:
        """How another run's options, from its as_dict, differ from these; one text for each."""
        own = self.as_dict()
        return [f"{name} {other.get(name)} instead of {own[name]}" for name in own if own[name] != other.get(name)]
