"""The training commands' options, and what is made from them."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recognition.lab.training.errors import TrainingError
from recognition.lab.training.loop import Progress, Run
from recognition.lab.training.margins import EXTENSIONS
from recognition.lab.training.options import LOSSES, NETWORKS, Options
from recognition.lab.training.sampling import SAMPLINGS
from recognition.lab.training.schedule import SCHEDULES

# Command-line options that are fields of Options with the same name.
SAME_NAME = (
    "network", "dim", "width", "loss", "m1", "m2", "m3", "scale", "extension", "alpha", "group", "batch", "steps", "epochs",
    "lr", "schedule", "warm_up", "momentum", "weight_decay", "clip", "mirror", "augment", "sampling", "hold_out", "seed",
    "frozen_batchnorm",
)  # fmt: skip


def add_net(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--network", choices=NETWORKS, default="r50")
    parser.add_argument("--dim", type=int, help="length of the vectors (512; mbf 128)")
    parser.add_argument(
        "--width", type=float, default=1.0, help="scales mbf's numbers of filters, for small sets and slow machines"
    )


def add_loss(parser: argparse.ArgumentParser, default: str = "arcface") -> None:
    parser.add_argument("--loss", choices=LOSSES, default=default)
    for name, meaning in (
        ("m1", "multiplies the angle"),
        ("m2", "is added to the angle, in rad"),
        ("m3", "is subtracted from the cosine"),
    ):
        parser.add_argument(f"--{name}", type=float, help=f"{meaning}; default: the loss's own value")
    parser.add_argument("--alpha", type=float, default=0.3, help="margin of the triplet loss, in squared distance")
    parser.add_argument("--group", type=int, default=5, help="faces per person in a batch for the triplet loss")


def add_course(
    parser: argparse.ArgumentParser,
    *,
    batch: int = 128,
    lr: float = 0.1,
    epochs: float | None = None,
    clip: float | None = None,
    frozen_batchnorm: bool = False,
) -> None:
    """How a training proceeds. The keyword arguments are the options' defaults."""
    parser.add_argument("--scale", type=float, help="multiplies the cosines before the softmax (64)")
    parser.add_argument("--extension", choices=EXTENSIONS, help="how a margin continues past 180° (monotone)")
    parser.add_argument("--batch", type=int, default=batch, help="faces per step, of each process")
    parser.add_argument("--steps", type=int, help="how many steps to train (180000, as published)")
    parser.add_argument("--epochs", type=float, default=epochs, help="how many epochs to train, instead of --steps")
    parser.add_argument("--lr", type=float, default=lr, help="highest learning rate")
    parser.add_argument("--schedule", choices=SCHEDULES, default="steps")
    parser.add_argument(
        "--lr-steps", help="steps at which the rate drops to a tenth, such as 100000,160000 (5/9 and 8/9 of the run)"
    )
    parser.add_argument("--warm-up", type=int, default=0, help="steps in which the rate rises from 0")
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument(
        "--clip", type=float, default=clip, help="the most a step may move an array, as a fraction of its length"
    )
    parser.add_argument("--no-mirror", dest="mirror", action="store_false", help="never mirror a face")
    parser.add_argument("--augment", action="store_true", help="also rotate, shift, relight, grey and blur faces")
    parser.add_argument("--sampling", choices=SAMPLINGS, help="default: shuffled; for triplets: identities")
    parser.add_argument(
        "--frozen-batchnorm",
        action=argparse.BooleanOptionalAction,
        default=frozen_batchnorm,
        help="do not update BatchNorm's means and variances",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log-every", type=int, default=20, help="steps between progress lines")


def add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--devices", default="cpu", help="cpu, gpu:0 or gpu:0,1")
    parser.add_argument("--threads", type=int, help="threads of MXNet on a CPU (all cores)")
    parser.add_argument("--loader-threads", type=int, default=2, help="threads that prepare batches")


def add_watching(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--eval-set", type=Path, action="append", default=[], help=".bin to evaluate at each check; may be repeated"
    )
    parser.add_argument(
        "--check-every", type=int, help="steps between checks, which evaluate and save (2000, or an epoch if shorter)"
    )
    parser.add_argument("--patience", type=int, help="end after so many checks without a better accuracy")


def add_pack(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    parser.add_argument("--export-pack", metavar="NAME", required=required, help="make a model pack of the result")
    parser.add_argument(
        "--licence", required=required, help="the pack's licence, which must respect the terms of your set"
    )
    parser.add_argument(
        "--commercial-use", action="store_true", help="this licence and the set's terms allow commercial use"
    )
    parser.add_argument("--title", help="the pack's title, for people")
    parser.add_argument("--force", action="store_true", help="replace an existing pack of that name")


def options_from(given: dict[str, Any], **changed: int | str | None) -> Options:
    """given: the parsed command line. changed: fields that override it. Raises TrainingError."""
    values: dict[str, Any] = {name: given[name] for name in SAME_NAME if name in given} | changed
    return Options(drops=drops_from(given.get("lr_steps")), **values)


def drops_from(text: str | None) -> tuple[int, ...] | None:
    """The value of --lr-steps. Raises TrainingError."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise TrainingError(
            f"--lr-steps takes numbers separated by commas, such as 100000,160000, not “{text}”."
        ) from error


def devices_from(text: str) -> tuple[str, ...]:
    """The value of --devices: “cpu”, “gpu:0” or “gpu:0,1”. A wrong name is reported when the device is used."""
    kind, _, numbers = text.partition(":")
    return tuple(f"{kind}:{number}" for number in numbers.split(",")) if numbers else (text,)


def run_from(
    given: dict[str, Any],
    folder: Path | str,
    *,
    report: Callable[[Progress], object],
    say: Callable[[str], object],
    stop: Callable[[], bool],
) -> Run:
    """given: the parsed command line. The rest as in Run."""
    return Run(
        Path(folder),
        devices=devices_from(given["devices"]),
        threads=given["loader_threads"],
        check_every=given.get("check_every"),
        log_every=given["log_every"],
        patience=given.get("patience"),
        resume=given.get("resume", False),
        report=report,
        say=say,
        stop=stop,
    )
