"""How long a source may keep its reader waiting: deadlines, a way to wake it, rates and pauses."""

import random
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

from recognition.video.source import LASTING, Reason, SourceError


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds, unless it says otherwise.

    opening: until the first picture. stalled: without a good picture; late: the same, until it is called degraded.
    slow: with less than `slow_share` of the expected rate. Pauses before another attempt double from `first_pause` to
    `longest_pause`, ± `jitter` (a share), and begin anew after `steady` of good pictures; where somebody has to mend
    something first, it is `lasting_pause`.
    """

    opening: float = 10.0
    stalled: float = 10.0
    late: float = 2.0
    slow: float = 15.0
    slow_share: float = 0.2
    first_pause: float = 1.0
    longest_pause: float = 30.0
    jitter: float = 0.2
    steady: float = 30.0
    lasting_pause: float = 60.0


class Cancelled(Exception):
    """The reader was told to end."""


class Watch:
    """The deadline of what a reader waits for now; `cancel()`, from any thread, ends every wait at once."""

    def __init__(self, seconds: float) -> None:
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.allow(seconds)

    def allow(self, seconds: float) -> None:
        """From now on."""
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds, above 0. Raises Cancelled, and SourceError (stalled)."""
        if self._cancelled.is_set():
            raise Cancelled
        left = self._end - time.monotonic()
        if left <= 0:
            raise SourceError(Reason.STALLED)
        return left

    def pause(self, seconds: float) -> None:
        """Raises Cancelled, as soon as that is so."""
        if self._cancelled.wait(max(0.0, seconds)):
            raise Cancelled

    def guard(self, sock: socket.socket) -> None:
        """Has `cancel` wake a thread that waits for this socket."""
        with self._lock:
            self._socket = sock
        if self.is_cancelled:
            self._wake()

    def release(self) -> None:
        """Before the socket is closed: its number may be another's afterwards."""
        with self._lock:
            self._socket = None

    def cancel(self) -> None:
        self._cancelled.set()
        self._wake()

    @property
    def is_cancelled(self) -> bool:
        return self._cancelled.is_set()

    def _wake(self) -> None:
        with self._lock, suppress(OSError):
            if self._socket is not None:
                # Not SSLSocket's own, which takes its TLS state away under the thread that reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class Pulse:
    """The rate of good pictures since a connection began, and whether it is enough. Times: of time.monotonic()."""

    WINDOW = 5.0  # seconds, for the rate

    def __init__(self, patience: Patience, wanted: float) -> None:
        self._patience = patience
        self._wanted = wanted
        self._beats: deque[float] = deque()
        self._best = 0.0
        self._first: float | None = None
        self._last = 0.0
        self._slow_since: float | None = None

    def beat(self, now: float) -> None:
        self._first, self._last = self._first if self._first is not None else now, now
        self._beats.append(now)
        while self._beats[0] < now - self.WINDOW:
            self._beats.popleft()
        self._best = max(self._best, self.rate(now))

    @property
    def good_for(self) -> float:
        """Seconds from the first to the last."""
        return self._last - self._first if self._first is not None else 0.0

    def rate(self, now: float) -> float:
        """Pictures a second over the last seconds; 0 until one second has passed since the first."""
        passed = min(self.WINDOW, now - self._first) if self._first is not None else 0.0
        return sum(beat > now - self.WINDOW for beat in self._beats) / passed if passed >= 1 else 0.0

    def is_late(self, now: float) -> bool:
        return now - self._last > max(self._patience.late, 3 / self._best if self._best else 0.0)

    def is_slow(self, now: float) -> bool:
        """Whether there are far fewer pictures than there were, and than are wanted: a camera that sends fewer of a
        still scene is not slow while they are as many as are looked at."""
        return self.rate(now) < self._patience.slow_share * min(self._best, self._wanted)

    def check(self, now: float) -> None:
        """Raises SourceError once it has been slow for too long."""
        if not self.is_slow(now):
            self._slow_since = None
        elif self._slow_since is None:
            self._slow_since = now
        elif now - self._slow_since >= self._patience.slow:
            raise SourceError(Reason.STALLED)


class Pauses:
    """How long to wait before the next attempt."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._next = patience.first_pause

    def after(self, reason: Reason, good_for: float) -> float:
        """good_for: seconds from the first to the last good picture of the connection that ended."""
        patience = self._patience
        if good_for >= patience.steady:
            self._next = patience.first_pause
        if reason in LASTING:
            pause = patience.lasting_pause
        else:
            pause, self._next = self._next, min(2 * self._next, patience.longest_pause)
        return pause * random.uniform(1 - patience.jitter, 1 + patience.jitter)
