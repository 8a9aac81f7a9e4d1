"""What a fault is, and what is common to those that strike more than once."""

import random
import time

from tests.hardening.campaign.field import Field


class Fault:
    """One way of breaking a platform.

    run: breaks it for about so many seconds, and says how often or how much. chance: for all that is drawn by lot.
    """

    def __init__(self, field: Field, chance: random.Random):
        self.field, self.chance = field, chance

    @classmethod
    def environment(cls) -> dict[str, str]:
        """What the platform has to be started with."""
        return {}

    @classmethod
    def why_not(cls, field: Field) -> str:
        """Why this machine cannot have the fault; empty where it can."""
        return ""

    @classmethod
    def missing(cls) -> str:
        """The same, before there is a platform."""
        return ""

    def run(self, seconds: float) -> str:
        raise NotImplementedError


class Strikes(Fault):
    """Strikes `times`, at moments drawn by lot, with time to recover between them."""

    times = 3

    def run(self, seconds: float) -> str:
        began, part = time.monotonic(), seconds / self.times
        for number in range(self.times):
            moment = began + part * number + self.chance.uniform(0, part / 3)
            time.sleep(max(0.0, moment - time.monotonic()))
            self.strike()
        return str(self.times)

    def strike(self) -> None:
        raise NotImplementedError
