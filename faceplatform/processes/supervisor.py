"""Runs the parts of the platform as child processes, and starts one that dies again with a growing pause."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds, before a part that died is started again
HEALTHY_AFTER = 60.0  # a part that lived so long starts over with the shortest pause
GRACE = 20.0  # seconds to stop in, before it is killed
LAUNCHER = Path(__file__).with_name("part.py")


def launched(command: Sequence[str], *, become: Sequence[str] = ()) -> list[str]:
    """What starts `command` as a child of this process that ends with it."""
    return [*become, sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), *command]


@dataclass
class Part:
    """A child process: what to run, and how its latest run fares."""

    name: str
    command: Sequence[str]  # with the program's whole path
    process: subprocess.Popen | None = None
    started: float = 0.0
    pause: float = SHORTEST_PAUSE
    restart_at: float = field(default=0.0)

    def next_command(self) -> Sequence[str]:
        """What the next run is."""
        return self.command


class Supervisor:
    """Starts the parts in order and keeps them running until `stop` is called; then stops them in reverse order."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        say: Callable[[str], None],
        every: Callable[[], None] = lambda: None,
        ended: Callable[[Part], None] = lambda part: None,
        become: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ):
        """every: called once a round, at least twice a second. ended: called as soon as a part has died, before it is
        started again; it must not block. become, environment: see faceplatform/processes/system_user.py."""
        self.parts = list(parts)
        self.say = say
        self.every = every
        self.ended = ended
        self.become = list(become)
        self.environment = environment
        self._stopping = threading.Event()
        self._wake = threading.Event()

    def stop(self, *_) -> None:
        """May be called from a signal handler. The second call does not wait for anybody."""
        if self._stopping.is_set():
            self._signal_all(signal.SIGKILL)
        self._stopping.set()
        self._wake.set()

    def run(self) -> None:
        """In one thread from start to end: the parts end with the thread that started them."""
        try:
            for part in self.parts:
                self._start(part)
            while not self._stopping.is_set():
                self._look_after_all()
                if os.getpid() == 1:
                    self._reap_orphans()
                self.every()
                self._wake.wait(0.5)
                self._wake.clear()
        finally:
            self._stop_all()

    def _start(self, part: Part) -> None:
        part.process = subprocess.Popen(
            launched(part.next_command(), become=self.become),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Ctrl-C in the terminal reaches us alone, and we stop the parts in order.
            start_new_session=True,
        )
        part.started = time.monotonic()
        part.restart_at = 0.0
        threading.Thread(target=self._relay, args=(part.name, part.process), daemon=True).start()
        threading.Thread(target=self._await_end, args=(part.process,), daemon=True).start()

    def _relay(self, name: str, process: subprocess.Popen) -> None:
        with process.stdout as lines:
            for line in lines:
                self.say(f"{name} | {line.rstrip()}")

    def _await_end(self, process: subprocess.Popen) -> None:
        """Wakes the supervisor at once. It alone takes the end, which stays for it."""
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self._wake.set()

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
        self.ended(part)
        self.say(f"{part.name} ended ({_how(part.process.returncode)}); it is started again in {part.pause:.0f} s.")
        part.restart_at = now + part.pause
        part.pause = min(part.pause * 2, LONGEST_PAUSE)

    def _reap_orphans(self) -> None:
        """Process 1 of a container inherits every process whose parent has died. Those that have ended are let go; the
        parts' own ends are seen by `poll`."""
        ours = {part.process.pid for part in self.parts if part.process}
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid in ours:
                    return
                os.waitpid(ended.si_pid, 0)

    def _stop_all(self) -> None:
        started = [part for part in reversed(self.parts) if part.process is not None]
        for part in started:
            _send(part.process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        for part in started:
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
