"""Batches made ready while the net is at work on the ones before."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from recognition.lab.training.augment import augmented, mirrored
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.faces import Faces, UnusableFace
from recognition.lab.training.sampling import Sampler

MOST_UNUSABLE = 0.01  # share of the faces seen
A_FEW = 20


class Batches:
    """mirror, augment: see augment.py. part: which of `parts` equal parts of each step's faces this process takes.

    A face that cannot be decoded is replaced by the next in the set, and kept in `unusable`; more than one in a hundred
    end the training.
    """

    def __init__(self, faces: Faces, sampler: Sampler, *, seed: int, mirror: bool = True, augment: bool = False,
                 part: int = 0, parts: int = 1):  # fmt: skip
        self._faces, self._sampler, self._seed = faces, sampler, seed
        self._changes = [change for change, wanted in ((mirrored, mirror), (augmented, augment)) if wanted]
        self._share = sampler.batch // parts
        self._first = part * self._share
        self.unusable: dict[int, str] = {}

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """uint8 RGB (n, size, size, 3), and labels (n,). The same for the same step, always."""
        numbers = self._sampler.at(step)[self._first : self._first + self._share]
        chips = np.empty((len(numbers), self._faces.size, self._faces.size, 3), "uint8")
        labels = np.empty(len(numbers), "int32")
        for place, number in enumerate(numbers):
            random = np.random.default_rng([self._seed, step, self._first + place])
            chips[place], labels[place] = self._face(int(number), random)
        return chips, labels

    def _face(self, number: int, random: np.random.Generator) -> tuple[np.ndarray, int]:
        while True:
            try:
                chip = self._faces.chip(number)
            except UnusableFace as error:
                self._note(number, error)
                number = (number + 1) % len(self._faces.labels)
                continue
            for change in self._changes:
                chip = change(chip, random)
            return chip, int(self._faces.labels[number])

    def _note(self, number: int, error: UnusableFace) -> None:
        self.unusable[number] = str(error)
        faces = len(self._faces.labels)
        if len(self.unusable) > min(max(MOST_UNUSABLE * faces, A_FEW), faces / 2):
            raise TrainingError(
                f"{len(self.unusable)} of {faces} faces cannot be decoded, the last because {error}. "
                "The set is damaged: fetch or make it again."
            )


def prepared(batches: Batches, first: int, last: int, *, threads: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """The batches of the steps from `first` up to but not including `last`; `threads` of them in the making."""
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(batches.at, step) for step in range(first, min(first + threads, last)))
        for step in range(first, last):
            chips, labels = waiting.popleft().result()
            if step + threads < last:
                waiting.append(pool.submit(batches.at, step + threads))
            yield step, chips, labels
