"""Clients that call as fast as they are answered, each in a thread, and what they saw."""

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
    """bodies: taken in turn; a call has succeeded when it is answered with `expected`."""

    name: str
    method: str
    path: str
    bodies: Sequence[tuple[bytes | None, dict[str, str]]]
    expected: int = 200

    def send(self, client: Client, number: int) -> Answer:
        return client.call(self.method, self.path, *self.bodies[number % len(self.bodies)])


@dataclass
class Turn:
    """What all clients saw in `seconds`. engine_ms: of each successful call, what the engine says it took; 0 for reads."""

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
        """Median of what a call took beyond the engine."""
        if not self.ms:
            return None
        return round(float(np.median(np.subtract(self.ms, self.engine_ms))), 1)

    @property
    def share_outside_engine(self) -> float | None:
        return round(1 - sum(self.engine_ms) / sum(self.ms), 3) if self.ms else None


def drive(connect: Callable[[], Client], calls: Sequence[Call], *, clients: int, seconds: float) -> Turn:
    """`clients` threads call for `seconds`; each begins elsewhere in the calls and their bodies."""
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

    threads = [threading.Thread(target=work, args=one, daemon=True) for one in enumerate(turns)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return _together(turns, time.perf_counter() - began)


def _together(turns: Sequence[Turn], seconds: float) -> Turn:
    whole = Turn(seconds)
    for turn in turns:
        whole.ms += turn.ms
        whole.engine_ms += turn.engine_ms
        whole.errors += turn.errors
    return whole
