"""The command line's options of a training, and what they make."""

import argparse
from pathlib import Path

from recognition.lab.training.errors import TrainingError
from recognition.lab.training.loop import Run
from recognition.lab.training.margins import EXTENSIONS
from recognition.lab.training.options import LOSSES, NETWORKS, Options
from recognition.lab.training.sampling import SAMPLINGS
from recognition.lab.training.schedule import SCHEDULES

# Options' fields that carry over as they are.
CARRIED = (
    "network", "dim", "width", "loss", "m1", "m2", "m3", "scale", "extension", "alpha", "group", "batch", "steps", "epochs",
    "lr", "schedule", "warm_up", "momentum", "weight_decay", "clip", "mirror", "augment", "sampling", "hold_out", "seed",
    "frozen_batchnorm",
)  # fmt: skip


def add_net(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--network", choices=NETWORKS, default="r50")
    parser.add_argument("--dim", type=int, help="values of a vector (512; mbf 128)")
    parser.add_argument(
        "--width", type=float, default=1.0, help="share of mbf's filters, for small sets and slow machines"
    )


def add_loss(parser: argparse.ArgumentParser, default: str = "arcface") -> None:
    parser.add_argument("--loss", choices=LOSSES, default=default)
    for name, what in (("m1", "factor of the angle"), ("m2", "added to it, rad"), ("m3", "taken off the cosine")):
        parser.add_argument(f"--{name}", type=float, help=f"{what}; default: the loss's own")
    parser.add_argument("--alpha", type=float, default=0.3, help="margin of triplets, of squared distances")
    parser.add_argument("--group", type=int, default=5, help="faces of a person in a batch of triplets")


def add_course(parser: argparse.ArgumentParser, **changed) -> None:
    """changed: other defaults."""
    defaults = {"batch": 128, "lr": 0.1, "epochs": None, "clip": None, "frozen_batchnorm": False} | changed
    parser.add_argument("--scale", type=float, help="of the cosines before the softmax (64)")
    parser.add_argument("--extension", choices=EXTENSIONS, help="of a margin past 180° (monotone)")
    parser.add_argument("--batch", type=int, default=defaults["batch"], help="faces a step, of each process")
    parser.add_argument("--steps", type=int, help="to go (180000, as published)")
    parser.add_argument("--epochs", type=float, default=defaults["epochs"], help="to go, instead of --steps")
    parser.add_argument("--lr", type=float, default=defaults["lr"], help="highest learning rate")
    parser.add_argument("--schedule", choices=SCHEDULES, default="steps")
    parser.add_argument(
        "--lr-steps", help="where the rate falls to a tenth, such as 100000,160000 (5/9 and 8/9 of the run)"
    )
    parser.add_argument("--warm-up", type=int, default=0, help="steps in which the rate rises from nought")
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument(
        "--clip", type=float, default=defaults["clip"], help="most of its length an array is moved by a step"
    )
    parser.add_argument("--no-mirror", dest="mirror", action="store_false", help="never mirror a face")
    parser.add_argument("--augment", action="store_true", help="also turn, move, relight, blur")
    parser.add_argument("--sampling", choices=SAMPLINGS, help="shuffled (default), balanced, identities (triplet)")
    parser.add_argument(
        "--frozen-batchnorm", action=argparse.BooleanOptionalAction, default=defaults["frozen_batchnorm"]
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log-every", type=int, default=20, help="steps between lines")


def add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--devices", default="cpu", help="cpu, gpu:0 or gpu:0,1")
    parser.add_argument("--threads", type=int, help="of MXNet, on a CPU (all cores)")
    parser.add_argument("--loader-threads", type=int, default=2, help="that make batches ready")


def add_watching(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--eval-set", type=Path, action="append", default=[], help=".bin to look at on the way; may repeat"
    )
    parser.add_argument("--check-every", type=int, help="steps between looks and checkpoints (2000, or an epoch)")
    parser.add_argument("--patience", type=int, help="looks without a better accuracy, then end")


def add_pack(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    parser.add_argument("--export-pack", metavar="NAME", required=required, help="make a model pack of the result")
    parser.add_argument(
        "--licence", required=required, help="of the pack: what may be done with what was learnt from your set"
    )
    parser.add_argument("--commercial-use", action="store_true", help="that licence, and the set's, allow it")
    parser.add_argument("--title", help="of the pack, for people")
    parser.add_argument("--force", action="store_true", help="replace the pack of that name")


def options_from(given: dict, **changed) -> Options:
    """given: the parsed command line. Raises TrainingError."""
    values = {name: given[name] for name in CARRIED if name in given} | changed
    return Options(drops=drops_from(given.get("lr_steps")), **values)


def drops_from(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise TrainingError(f"--lr-steps takes numbers with commas, such as 100000,160000, not “{text}”.") from error


def devices_from(text: str) -> tuple[str, ...]:
    """“cpu”, “gpu:0” or “gpu:0,1”. What is no device is told when it is asked for."""
    kind, _, numbers = text.partition(":")
    return tuple(f"{kind}:{number}" for number in numbers.split(",")) if numbers else (text,)


def run_from(given: dict, folder: Path | str, **hooks) -> Run:
    return Run(
        Path(folder),
        devices=devices_from(given["devices"]),
        threads=given["loader_threads"],
        check_every=given.get("check_every"),
        log_every=given["log_every"],
        patience=given.get("patience"),
        resume=given.get("resume", False),
        **hooks,
    )
