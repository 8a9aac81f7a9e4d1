"""Callers who mean well, each at its own pace: what they notice is what counts."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

import numpy as np

from recognition.lab.bench.attack.target import PATIENCE

SETTLE_LIMIT = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Errand:
    """A call that is made every so many seconds, or as soon as the last one is answered where that takes longer."""

    name: str
    method: str
    path: str
    every: float
    expected: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass
class Noticed:
    """ms: of the calls answered as they should be. failed: the others, by status."""

    ms: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    def percentile(self, percent: int) -> float | None:
        return round(float(np.percentile(self.ms, percent)), 1) if self.ms else None


def run_errands(port: int, errands: list[Errand], seconds: float, noticed: Mapping[str, Noticed]) -> None:
    """All of them at once, for so long."""
    deadline = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_repeat, args=(port, errand, deadline, noticed[errand.name]), daemon=True)
        for errand in errands
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def settle(port: int, errands: list[Errand]) -> None:
    """Waits until all calls are answered as they should be, so that one attack's end is not taken for a quiet time."""
    deadline = time.monotonic() + SETTLE_LIMIT
    while time.monotonic() < deadline and any(_call(port, errand) != errand.expected for errand in errands):
        time.sleep(0.5)


def _repeat(port: int, errand: Errand, deadline: float, noticed: Noticed) -> None:
    due = time.monotonic()
    while due < deadline:
        time.sleep(max(0.0, due - time.monotonic()))
        started = time.perf_counter()
        status = _call(port, errand)
        if status == errand.expected:
            noticed.ms.append((time.perf_counter() - started) * 1000)
        else:
            noticed.failed[str(status or "no answer")] += 1
        due = max(due + errand.every, time.monotonic())


def _call(port: int, errand: Errand) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(errand.method, errand.path, errand.body, dict(errand.headers))
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()
