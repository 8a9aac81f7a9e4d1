"""Searches with strangers, for the command `evaluate`: its arguments, and a gallery by its name."""

from django.core.management.base import CommandError
from tqdm import tqdm

from faceplatform.errors import DomainError
from recognition.lab.evaluation.open_set import DRAWS, STRANGERS, Plan
from recognition.lab.evaluation.report import Evaluated
from recognition.management.galleries import find_gallery
from recognition.management.progress_bars import advance


def add_plan(parser) -> None:
    """The arguments of searches with strangers."""
    group = parser.add_argument_group("searches with strangers (--people, --gallery)")
    group.add_argument(
        "--strangers", type=float, default=STRANGERS, metavar="SHARE", help="of the people; default: 0.5"
    )
    group.add_argument("--samples", type=int, metavar="N", help="faces enrolled of a person at most; default: all")
    group.add_argument("--draws", type=int, default=DRAWS, metavar="N", help=f"of the strangers; default: {DRAWS}")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="for the draws; default: 0")


def plan_of(options: dict) -> Plan:
    return Plan(options["draws"], options["strangers"], options["samples"], options["seed"])


def evaluate_gallery_called(slug: str, plan: Plan) -> Evaluated:
    """The gallery's own pack on its own faces. Raises CommandError, SetError."""
    from recognition.evaluations.galleries import evaluate_gallery

    gallery = find_gallery(slug)
    try:
        with tqdm(desc=gallery.slug, unit="draw", disable=None) as bar:
            return Evaluated(gallery.pack, evaluate_gallery(gallery, plan, progress=advance(bar)))
    except DomainError as error:
        raise CommandError(error.message) from error
