"""Clients, each in a thread, that send the next call as soon as the last one is answered; and what they measured."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from recognition.lab.bench.api.client import Answer, Client

ENGINE_STAGES = ("decode", "detect", "embed")


@dataclass(frozen=True, slots=True)
class Call:
    """A kind of call. bodies: body and headers, used in turn. expected: the status of a successful answer."""

    name: str
    method: str
    path: str
    bodies: Sequence[tuple[bytes | None, dict[str, str]]]
    expected: int = 200

    def send(self, client: Client, number: int) -> Answer:
        return client.call(self.method, self.path, *self.bodies[number % len(self.bodies)])


@dataclass
class Turn:
    """What the clients measured in `seconds`.

    ms: of each successful call. engine_ms: the part of it that the platform says its engine took; 0 for reads.
    """

    seconds: float
    ms: list[float] = field(default_factory=list)
    engine_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, call: Call, answer: Answer) -> None:
        if answer.status != call.expected:
            self.errors[f"{call.name}: {answer.body.get('code') or answer.status or 'connection broken'}"] += 1
            return
        self.ms.append(answer.ms)
        timings = answer.body.get("timings_ms", {})
        self.engine_ms.append(sum(timings.get(stage, 0.0) for stage in ENGINE_STAGES))

    @property
    def rate(self) -> float:
        return len(self.ms) / self.seconds

    def percentile(self, percent: int) -> float | None:
        return round(float(np.percentile(self.ms, percent)), 1) if self.ms else None

    @property
    def added_ms(self) -> float | None:
        """The median time that a call took in addition to the engine's."""
        if not self.ms:
            return None
        return round(float(np.median(np.subtract(self.ms, self.engine_ms))), 1)

    @property
    def share_outside_engine(self) -> float | None:
        return round(1 - sum(self.engine_ms) / sum(self.ms), 3) if self.ms else None


def drive(connect: Callable[[], Client], calls: Sequence[Call], *, clients: int, seconds: float) -> Turn:
    """`clients` threads make calls for `seconds`, each starting at a different call and body."""
    turns = [Turn(seconds) for _ in range(clients)]
    start = threading.Barrier(clients + 1)

    def work(number: int, turn: Turn) -> None:
        client = connect()
        start.wait()
        deadline, count = time.perf_counter() + seconds, number
        while time.perf_counter() < deadline:
            call = calls[count % len(calls)]
            turn.add(call, call.send(client, count))
            count += 1
        client.close()

    threads = [threading.Thread(target=work, args=(number, turn), daemon=True) for number, turn in enumerate(turns)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return merged(turns, time.perf_counter() - began)


def merged(turns: Sequence[Turn], seconds: float) -> Turn:
    """All turns as one of `seconds`."""
    whole = Turn(seconds)
    for turn in turns:
        whole.ms += turn.ms
        whole.engine_ms += turn.engine_ms
        whole.errors += turn.errors
    return whole
