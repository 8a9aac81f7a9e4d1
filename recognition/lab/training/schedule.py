"""The learning rate of each step."""

import math
from dataclasses import dataclass

SCHEDULES = ("steps", "cosine", "constant")
# Where the published runs of 180,000 steps divide it by ten.
PUBLISHED_DROPS = (100 / 180, 160 / 180)


@dataclass(frozen=True, slots=True)
class Schedule:
    """rate: the highest. warm_up: steps in which it rises to that. drops: steps from which on it is a tenth of before."""

    kind: str
    rate: float
    steps: int
    warm_up: int = 0
    drops: tuple[int, ...] = ()

    def at(self, step: int) -> float:
        """step: from nought on."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        if self.kind == "cosine":
            done = (step - self.warm_up) / max(self.steps - self.warm_up, 1)
            return self.rate * (1 + math.cos(math.pi * min(done, 1.0))) / 2
        if self.kind == "steps":
            return self.rate * 0.1 ** sum(step >= drop for drop in self.drops)
        return self.rate


def published_drops(steps: int) -> tuple[int, ...]:
    """At the same shares of the run as published."""
    return tuple(round(share * steps) for share in PUBLISHED_DROPS)
