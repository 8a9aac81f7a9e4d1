"""Prepares batches while the net is working on earlier ones."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from recognition.lab.training.augment import augmented, mirrored
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.faces import Faces, UnusableFace
from recognition.lab.training.sampling import Sampler

MOST_UNUSABLE = 0.01  # as a share of the set's faces
ALWAYS_TOLERATED = 20  # unusable faces, in small sets


class Batches:
    """mirror, augment: see augment.py. part: which of `parts` equal parts of each step's faces this process takes.

    A face that cannot be decoded is replaced by the next one in the set and recorded in `unusable` (number → reason). If
    there are more than MOST_UNUSABLE of them, the training ends.
    """

    def __init__(self, faces: Faces, sampler: Sampler, *, seed: int, mirror: bool = True, augment: bool = False,
                 part: int = 0, parts: int = 1):  # fmt: skip
        self._faces, self._sampler, self._seed = faces, sampler, seed
        self._changes = [change for change, wanted in ((mirrored, mirror), (augmented, augment)) if wanted]
        self._share = sampler.batch // parts
        self._first = part * self._share
        self.unusable: dict[int, str] = {}

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """A step's chips, uint8 RGB (n, size, size, 3), and labels, int32 (n,). They depend on nothing but the step.

        Raises TrainingError.
        """
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
                self._record_unusable(number, error)
                number = (number + 1) % len(self._faces.labels)
                continue
            for change in self._changes:
                chip = change(chip, random)
            return chip, int(self._faces.labels[number])

    def _record_unusable(self, number: int, error: UnusableFace) -> None:
        self.unusable[number] = str(error)
        faces = len(self._faces.labels)
        if len(self.unusable) > min(max(MOST_UNUSABLE * faces, ALWAYS_TOLERATED), faces / 2):
            raise TrainingError(
                f"{len(self.unusable)} of {faces} faces cannot be decoded; the last one: {error}. "
                "The set is damaged: fetch or make it again."
            )


def prefetched(
    batches: Batches, first: int, last: int, *, threads: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Step, chips and labels of each step from `first` up to but not including `last`; `threads` batches are made ahead."""
    with ThreadPoolExecutor(threads) as pool:
        pending = deque(pool.submit(batches.at, step) for step in range(first, min(first + threads, last)))
        for step in range(first, last):
            chips, labels = pending.popleft().result()
            if step + threads < last:
                pending.append(pool.submit(batches.at, step + threads))
            yield step, chips, labels
