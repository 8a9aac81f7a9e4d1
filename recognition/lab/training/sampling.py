"""Chooses the faces of each step, from the seed and the step's number alone, so that a run can resume at any step.

shuffled: each face once per epoch. balanced: every person equally often. identities: groups of several faces of one person,
as triplets need them.
"""

from functools import lru_cache

import numpy as np

from recognition.lab.training.errors import TrainingError

SAMPLINGS = ("shuffled", "balanced", "identities")


class Sampler:
    """labels: (n,), the person of each face. batch: faces per step, of all processes together. group: faces of one person
    in a row, for the sampling “identities”. Raises TrainingError if the faces do not allow it."""

    def __init__(self, labels: np.ndarray, *, batch: int, seed: int, sampling: str = "shuffled", group: int = 5):
        if len(labels) < batch:
            raise TrainingError(f"A step takes {batch} faces, but there are only {len(labels)}. Lower --batch.")
        if sampling == "identities" and batch % group:
            raise TrainingError(
                f"The batch, {batch}, is not a multiple of --group, {group} faces per person. Change one of them."
            )
        self._labels, self.batch, self._seed, self._group = labels, batch, seed, group
        self.steps_an_epoch = len(labels) // batch
        self._draw = {"shuffled": self._shuffled, "balanced": self._balanced, "identities": self._identities}[sampling]
        by_person = np.argsort(labels, kind="stable")
        self._people = np.split(by_person, np.cumsum(np.bincount(labels))[:-1])
        self._people = [faces for faces in self._people if len(faces)]
        if sampling == "identities" and max(map(len, self._people)) < 2:
            raise TrainingError("Triplets need people with at least two faces, but everybody has only one face.")
        self._order = lru_cache(maxsize=2)(self._epoch)  # two, since batches of the next epoch are prefetched

    def at(self, step: int) -> np.ndarray:
        """The numbers of the faces of a step, (batch,). Steps count from 0."""
        epoch, place = divmod(step, self.steps_an_epoch)
        return self._order(epoch)[place * self.batch : (place + 1) * self.batch]

    def _epoch(self, epoch: int) -> np.ndarray:
        return self._draw(np.random.default_rng([self._seed, epoch]), self.steps_an_epoch * self.batch)

    def _shuffled(self, random: np.random.Generator, count: int) -> np.ndarray:
        return random.permutation(len(self._labels))[:count]

    def _balanced(self, random: np.random.Generator, count: int) -> np.ndarray:
        people = self._people_in_rounds(random, count)
        return np.array([random.choice(self._people[person]) for person in people])

    def _identities(self, random: np.random.Generator, count: int) -> np.ndarray:
        people = self._people_in_rounds(random, count // self._group)
        return np.concatenate([self._faces_of(random, self._people[person]) for person in people])

    def _faces_of(self, random: np.random.Generator, faces: np.ndarray) -> np.ndarray:
        """A group of a person's faces; some are repeated if there are too few."""
        drawn = random.permutation(faces)[: self._group]
        return np.concatenate([drawn, random.choice(faces, self._group - len(drawn))])

    def _people_in_rounds(self, random: np.random.Generator, count: int) -> np.ndarray:
        """All people in random order, then all again in another order, until there are `count`."""
        rounds = -(-count // len(self._people))
        return np.concatenate([random.permutation(len(self._people)) for _ in range(rounds)])[:count]
