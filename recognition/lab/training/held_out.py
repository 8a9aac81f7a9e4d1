"""Makes a verification set from faces that were kept out of the training."""

import hashlib

import numpy as np

from recognition.lab.evaluation.sets import VerificationSet
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.faces import Faces, UnusableFace

MOST_PAIRS = 3000  # of one person, and as many of two, as in LFW


class FaceImages:
    """Faces as the images of a verification set."""

    def __init__(self, faces: Faces):
        self._faces = faces

    def __len__(self) -> int:
        return len(self._faces.labels)

    def label(self, number: int) -> str:
        return f"face {number} of person {self._faces.labels[number]}"

    def read(self, number: int) -> np.ndarray:
        try:
            return self._faces.chip(number)
        except UnusableFace as error:
            raise OSError(str(error)) from error


def held_out_set(faces: Faces, seed: int) -> VerificationSet:
    """All pairs of one person, at most about MOST_PAIRS, and as many pairs of two people, in random order.

    Raises TrainingError if there are none.
    """
    random = np.random.default_rng(seed)
    genuine = _genuine(faces.labels, random)
    if not len(genuine) or faces.classes < 2:
        raise TrainingError("Too few people are held out to make pairs of one person and of two: raise --hold-out.")
    pairs = np.concatenate([genuine, _impostor(faces.labels, len(genuine), random)])
    same = np.arange(len(pairs)) < len(genuine)
    order = random.permutation(len(pairs))
    pairs, same = pairs[order].astype("int32"), same[order]
    return VerificationSet(
        name="held out",
        sha256=hashlib.sha256(pairs.tobytes() + faces.labels.tobytes()).hexdigest(),
        aligned=True,
        images=FaceImages(faces),
        first=np.ascontiguousarray(pairs[:, 0]),
        second=np.ascontiguousarray(pairs[:, 1]),
        same=same,
    )


def _genuine(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """At most the same number of pairs for every person, so that one with a thousand photos does not dominate."""
    people = [faces for faces in (np.flatnonzero(labels == label) for label in np.unique(labels)) if len(faces) > 1]
    most = max(MOST_PAIRS // max(len(people), 1), 1)
    found = []
    for faces in people:
        first, second = np.triu_indices(len(faces), 1)
        chosen = random.permutation(len(first))[:most]
        found.append(np.stack([faces[first[chosen]], faces[second[chosen]]], 1))
    return np.concatenate(found)[:MOST_PAIRS] if found else np.empty((0, 2), "int64")


def _impostor(labels: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Distinct pairs of two people; fewer than `count` if there are not enough."""
    found: dict[tuple[int, int], None] = {}
    for _ in range(100):
        drawn = np.sort(random.integers(0, len(labels), (count, 2)), axis=1)
        found |= dict.fromkeys(map(tuple, drawn[labels[drawn[:, 0]] != labels[drawn[:, 1]]].tolist()))
        if len(found) >= count:
            break
    return np.array(list(found)[:count], "int64").reshape(-1, 2)
