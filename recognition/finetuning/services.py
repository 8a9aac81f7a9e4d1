"""A gallery's own faces as a training set: only for its owners, only in memory, and audited."""

from dataclasses import asdict, dataclass
from uuid import UUID

import numpy as np
from django.db.models import QuerySet

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

MOST_FACES = 20_000  # held in memory; from a larger gallery, people are drawn
SHARE_HELD_OUT = 0.3


@dataclass(frozen=True, slots=True)
class GalleryFaces:
    """held_out: how many people to keep out of the training, to judge by."""

    faces: CropFaces
    held_out: int


@audited
def take_faces_for_finetuning(
    *, actor: Actor, gallery: Gallery, pack: str, alignment: Alignment, seed: int = 0
) -> GalleryFaces:
    """The enrolled faces of everybody who has at least two; audited. alignment: of the pack's embedder.

    Raises NotAllowed for anybody but an owner, InvalidInput (too_few_people).
    """
    actor.require_role(gallery, Role.OWNER)
    samples = FaceSample.objects.enrolled().filter(gallery=gallery).order_by("id")
    by_person: dict[UUID, list[UUID]] = {}
    for sample, person in samples.values_list("pk", "identity_id"):
        by_person.setdefault(person, []).append(sample)
    people = [own for own in by_person.values() if len(own) > 1]
    if len(people) < _held_out(len(people)) + FEWEST:
        raise InvalidInput(
            f"{len(people)} people of the gallery “{gallery.name}” have at least two faces, but fine-tuning needs "
            f"{2 * FEWEST}: {FEWEST} to learn from and {FEWEST} to judge by. Enrol more people, or more photos of them.",
            code="too_few_people",
        )
    drawn = _draw_people(people, seed)
    crops, labels = _load_crops(samples, drawn)
    details = {"pack": pack, "people": len(drawn), "faces": len(labels)}
    audit.record(actor=actor, action="finetuning.started", gallery=gallery, target=gallery, details=details)
    return GalleryFaces(CropFaces(crops, labels, alignment), _held_out(len(drawn)))


@audited
def record_verdict(*, actor: Actor, gallery: Gallery, pack: str, verdict: Verdict) -> None:
    """Audits whether the fine-tuned net was accepted. pack: the name of the new pack. Raises NotAllowed."""
    actor.require_role(gallery, Role.OWNER)
    action = "finetuning.accepted" if verdict.accepted else "finetuning.refused"
    details = {"pack": pack} | {name: value for name, value in asdict(verdict).items() if name != "accepted"}
    audit.record(actor=actor, action=action, gallery=gallery, target=gallery, details=details)


def _held_out(people: int) -> int:
    return max(round(SHARE_HELD_OUT * people), FEWEST)


def _draw_people(people: list[list[UUID]], seed: int) -> list[list[UUID]]:
    """Each person's samples, in random order: of all people, or of as many as MOST_FACES allows."""
    order = np.random.default_rng(seed).permutation(len(people))
    drawn: list[list[UUID]] = []
    faces = 0
    for number in order.tolist():
        faces += len(people[number])
        if faces > MOST_FACES and len(drawn) >= 2 * FEWEST:
            break
        drawn.append(people[number])
    return drawn


def _load_crops(samples: QuerySet[FaceSample], people: list[list[UUID]]) -> tuple[list[Crop], list[int]]:
    """The samples' crops, and for each the number of its person in `people`."""
    label_of = {sample: label for label, own in enumerate(people) for sample in own}
    rows = samples.filter(pk__in=label_of).values_list(
        "pk", "crop__jpeg", "crop__width", "crop__height", "crop__landmarks"
    )
    crops, labels = [], []
    for pk, jpeg, width, height, landmarks in rows.iterator(chunk_size=500):
        crops.append(Crop(bytes(jpeg), width, height, np.array(landmarks, "float32")))
        labels.append(label_of[pk])
    return crops, labels
