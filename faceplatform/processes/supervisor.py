"""Runs the parts of the platform as child processes, and restarts those that die, with growing pauses."""

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
from typing import IO

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds before a part that died is restarted
HEALTHY_AFTER = 60.0  # seconds; a part that lived this long is restarted after the shortest pause
GRACE = 20.0  # seconds a part has to stop before it is killed
PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass
class Part:
    """A child process: what to run, and the state of its latest run. Times are those of time.monotonic()."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[str] | None = None
    started: float = 0.0
    pause: float = SHORTEST_PAUSE
    restart_at: float = field(default=0.0)


class Supervisor:
    """Starts the parts in order and keeps them running until `stop` is called; then stops them in reverse order.

    say: gets each line of output. every: called about twice a second while the parts run.
    """

    def __init__(
        self, parts: Sequence[Part], *, say: Callable[[str], None], every: Callable[[], None] = lambda: None
    ) -> None:
        self.parts = list(parts)
        self.say = say
        self.every = every
        self._stopping = threading.Event()

    def stop(self, *_: object) -> None:
        """Ends `run`. May be a signal handler. A second call kills the parts instead of waiting for them."""
        if self._stopping.is_set():
            self._signal_all(signal.SIGKILL)
        self._stopping.set()

    def run(self) -> None:
        """Returns after `stop`, when all parts have ended."""
        for part in self.parts:
            self._start(part)
        try:
            while not self._stopping.is_set():
                self._restart_dead_parts()
                self.every()
                self._stopping.wait(0.5)
        finally:
            self._stop_all()

    def _start(self, part: Part) -> None:
        process = part.process = subprocess.Popen(
            part.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # so that Ctrl-C in the terminal reaches only us, and we stop the parts in order
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        part.started = time.monotonic()
        part.restart_at = 0.0
        threading.Thread(target=self._relay, args=(part.name, process.stdout), daemon=True).start()

    def _relay(self, name: str, output: IO[str]) -> None:
        with output:
            for line in output:
                self.say(f"{name} | {line.rstrip()}")

    def _restart_dead_parts(self) -> None:
        now = time.monotonic()
        for part in self.parts:
            status = part.process.poll() if part.process else None
            if status is None:
                continue
            if not part.restart_at:
                self._plan_restart(part, status, now)
            elif now >= part.restart_at:
                self._start(part)

    def _plan_restart(self, part: Part, status: int, now: float) -> None:
        if now - part.started > HEALTHY_AFTER:
            part.pause = SHORTEST_PAUSE
        self.say(f"{part.name} ended ({_exit_reason(status)}); it is restarted in {part.pause:.0f} s.")
        part.restart_at = now + part.pause
        part.pause = min(part.pause * 2, LONGEST_PAUSE)

    def _stop_all(self) -> None:
        running = [(part.name, part.process) for part in reversed(self.parts) if part.process]
        for _, process in running:
            _send_signal(process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        for name, process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.say(f"{name} does not stop; it is killed.")
                _send_signal(process, signal.SIGKILL)
                process.wait()

    def _signal_all(self, number: int) -> None:
        for part in self.parts:
            _send_signal(part.process, number)


def _send_signal(process: subprocess.Popen[str] | None, number: int) -> None:
    if process is not None and process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)


def _exit_reason(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Runs in the child: makes it end when the supervisor does, even if the supervisor is killed."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1:
            os._exit(1)
