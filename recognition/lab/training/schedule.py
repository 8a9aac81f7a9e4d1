"""The learning rate of each step."""

import math
from dataclasses import dataclass

SCHEDULES = ("steps", "cosine", "constant")
# The published runs of 180,000 steps divide the rate by ten here.
PUBLISHED_DROPS = (100 / 180, 160 / 180)


@dataclass(frozen=True, slots=True)
class Schedule:
    """rate: the highest. warm_up: steps in which it rises from 0. drops: steps at which “steps” divides it by ten."""

    kind: str
    rate: float
    steps: int
    warm_up: int = 0
    drops: tuple[int, ...] = ()

    def at(self, step: int) -> float:
        """The rate of a step. Steps count from 0."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        if self.kind == "cosine":
            progress = (step - self.warm_up) / max(self.steps - self.warm_up, 1)
            return self.rate * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
        if self.kind == "steps":
            return self.rate * 0.1 ** sum(step >= drop for drop in self.drops)
        return self.rate


def published_drops(steps: int) -> tuple[int, ...]:
    """The steps at which a run of `steps` drops the rate, at the same fractions of the run as published."""
    return tuple(round(share * steps) for share in PUBLISHED_DROPS)
