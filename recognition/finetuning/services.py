"""A gallery's own faces as a training set: for its owners alone, in memory alone, and on the record."""

from dataclasses import asdict, dataclass

import numpy as np

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.roles import Role
from faceplatform.errors import InvalidInput
from gallery.models import FaceSample, Gallery
from recognition.engine.align import Alignment
from recognition.engine.base import Crop
from recognition.lab.training.faces import CropFaces
from recognition.lab.training.gate import FEWEST, Verdict

MOST_FACES = 20_000  # held in memory; of a larger gallery, people are drawn
SHARE_HELD_OUT = 0.3


@dataclass(frozen=True, slots=True)
class GalleryFaces:
    """held_out: how many people are to be kept apart."""

    faces: CropFaces
    held_out: int


@audited
def take_faces_for_finetuning(
    *, actor: Actor, gallery: Gallery, pack: str, alignment: Alignment, seed: int = 0
) -> GalleryFaces:
    """The enrolled faces of everybody who has two and more. Raises InvalidInput (too_few_people)."""
    actor.require_role(gallery, Role.OWNER)
    samples = FaceSample.objects.enrolled().filter(gallery=gallery).order_by("id")
    by_person: dict = {}
    for sample, person in samples.values_list("pk", "identity_id"):
        by_person.setdefault(person, []).append(sample)
    several = [own for own in by_person.values() if len(own) > 1]
    held_out = max(round(SHARE_HELD_OUT * len(several)), FEWEST)
    if len(several) < held_out + FEWEST:
        raise InvalidInput(
            f"{len(several)} people of the gallery “{gallery.name}” have two faces and more; fine-tuning needs "
            f"{2 * FEWEST}: {FEWEST} to learn from and {FEWEST} to be judged by. Enrol more people, or more photos of them.",
            code="too_few_people",
        )
    chosen = _drawn(several, seed)
    crops, labels = _crops(samples, chosen)
    details = {"pack": pack, "people": len(chosen), "faces": len(labels)}
    audit.record(actor=actor, action="finetuning.started", gallery=gallery, target=gallery, details=details)
    held_out = max(round(SHARE_HELD_OUT * len(chosen)), FEWEST)
    return GalleryFaces(CropFaces(crops, labels, alignment), held_out)


@audited
def record_verdict(*, actor: Actor, gallery: Gallery, pack: str, verdict: Verdict) -> None:
    """Writes down what became of a fine-tuning into `pack`."""
    actor.require_role(gallery, Role.OWNER)
    action = "finetuning.accepted" if verdict.accepted else "finetuning.refused"
    details = {"pack": pack} | {name: value for name, value in asdict(verdict).items() if name != "accepted"}
    audit.record(actor=actor, action=action, gallery=gallery, target=gallery, details=details)


def _drawn(people: list[list], seed: int) -> list[list]:
    """All of them, or as many as MOST_FACES allows."""
    order = np.random.default_rng(seed).permutation(len(people))
    kept, faces = [], 0
    for number in order.tolist():
        faces += len(people[number])
        if faces > MOST_FACES and len(kept) >= 2 * FEWEST:
            break
        kept.append(people[number])
    return kept


def _crops(samples, people: list[list]) -> tuple[list[Crop], list[int]]:
    label_of = {sample: label for label, own in enumerate(people) for sample in own}
    rows = samples.filter(pk__in=label_of).values_list(
        "pk", "crop__jpeg", "crop__width", "crop__height", "crop__landmarks"
    )
    crops, labels = [], []
    for pk, jpeg, width, height, landmarks in rows.iterator(chunk_size=500):
        crops.append(Crop(bytes(jpeg), width, height, np.array(landmarks, "float32")))
        labels.append(label_of[pk])
    return crops, labels
