"""Runs the parts of the platform as child processes, and starts one that dies again with a growing pause."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds, before a part that died is started again
HEALTHY_AFTER = 60.0  # a part that lived so long starts over with the shortest pause
GRACE = 20.0  # seconds to stop in, before it is killed
PR_SET_PDEATHSIG = 1


@dataclass
class Part:
    """A child process: what to run, and how its latest run fares."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen | None = None
    started: float = 0.0
    pause: float = SHORTEST_PAUSE
    restart_at: float = field(default=0.0)


class Supervisor:
    """Starts the parts in order and keeps them running until `stop` is called; then stops them in reverse order."""

    def __init__(self, parts: Sequence[Part], *, say: Callable[[str], None], every: Callable[[], None] = lambda: None):
        """every: called once a round, about twice a second."""
        self.parts = list(parts)
        self.say = say
        self.every = every
        self._stopping = threading.Event()

    def stop(self, *_) -> None:
        """May be called from a signal handler. The second call does not wait for anybody."""
        if self._stopping.is_set():
            self._signal_all(signal.SIGKILL)
        self._stopping.set()

    def run(self) -> None:
        for part in self.parts:
            self._start(part)
        try:
            while not self._stopping.is_set():
                self._look_after_all()
                self.every()
                self._stopping.wait(0.5)
        finally:
            self._stop_all()

    def _start(self, part: Part) -> None:
        part.process = subprocess.Popen(
            part.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Ctrl-C in the terminal reaches us alone, and we stop the parts in order.
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        part.started = time.monotonic()
        part.restart_at = 0.0
        threading.Thread(target=self._relay, args=(part.name, part.process), daemon=True).start()

    def _relay(self, name: str, process: subprocess.Popen) -> None:
        with process.stdout as lines:
            for line in lines:
                self.say(f"{name} | {line.rstrip()}")

    def _look_after_all(self) -> None:
        now = time.monotonic()
        for part in self.parts:
            if part.process.poll() is None:
                continue
            if not part.restart_at:
                self._plan_restart(part, now)
            elif now >= part.restart_at:
                self._start(part)

    def _plan_restart(self, part: Part, now: float) -> None:
        if now - part.started > HEALTHY_AFTER:
            part.pause = SHORTEST_PAUSE
        self.say(f"{part.name} ended ({_how(part.process.returncode)}); it is started again in {part.pause:.0f} s.")
        part.restart_at = now + part.pause
        part.pause = min(part.pause * 2, LONGEST_PAUSE)

    def _stop_all(self) -> None:
        for part in reversed(self.parts):
            _send(part.process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        for part in reversed(self.parts):
            try:
                part.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.say(f"{part.name} does not stop; it is killed.")
                _send(part.process, signal.SIGKILL)
                part.process.wait()

    def _signal_all(self, number: int) -> None:
        for part in self.parts:
            _send(part.process, number)


def _send(process: subprocess.Popen | None, number: int) -> None:
    if process is not None and process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)


def _how(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """In the child: end when the supervisor is gone, even if that one was killed."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1:
            os._exit(1)
