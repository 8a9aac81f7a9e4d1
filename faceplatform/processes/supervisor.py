"""Runs the parts of the platform as child processes, and restarts those that die, with growing pauses."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from faceplatform.processes.stop_flag import StopFlag

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds before a part that died is restarted
HEALTHY_AFTER = 60.0  # seconds; a part that lived this long is restarted after the shortest pause
GRACE = 20.0  # seconds a part has to stop before it is killed
LAUNCHER = Path(__file__).with_name("part.py")


def launched(command: Sequence[str], *, become: Sequence[str] = ()) -> list[str]:
    """The command that starts `command` as a child of this process that ends with it."""
    return [*become, sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), *command]


@dataclass
class Part:
    """A child process: what to run, and the state of its latest run. Times are those of time.monotonic()."""

    name: str
    command: Sequence[str]  # with the program's whole path
    without: Sequence[str] = ()  # environment variables that are not this part's to know
    process: subprocess.Popen[str] | None = None
    started: float = 0.0
    pause: float = SHORTEST_PAUSE
    restart_at: float = field(default=0.0)

    def next_command(self) -> Sequence[str]:
        """What the next run is."""
        return self.command


class Supervisor:
    """Starts the parts in order and keeps them running until `stop` is called; then stops them in reverse order.

    say: gets each line of output. relay: gets those of the parts instead, after the part's name. every: called at least twice a
    second while the parts run. ended: called as soon as a part has died, before it is restarted; it must not block. become,
    environment: see faceplatform/system_user.py.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        say: Callable[[str], None],
        every: Callable[[], None] = lambda: None,
        ended: Callable[[Part], None] = lambda part: None,
        relay: Callable[[str, str], None] | None = None,
        become: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.parts = list(parts)
        self.say = say
        self.relay = relay or (lambda name, line: say(f"{name} | {line}"))
        self.every = every
        self.ended = ended
        self.become = list(become)
        self.environment = environment
        self._stopping = StopFlag()
        self._wake: queue.SimpleQueue[None] = (
            queue.SimpleQueue()
        )  # an Event's lock could stop a signal handler for good

    def stop(self, *_: object) -> None:
        """Ends `run`. May be a signal handler. A second call kills the parts instead of waiting for them."""
        if self._stopping.is_set():
            self._signal_all(signal.SIGKILL)
        self._stopping.set()
        self._wake.put(None)

    def run(self) -> None:
        """Returns after `stop`, when all parts have ended. The parts also end with the thread that runs this."""
        try:
            for part in self.parts:
                self._start(part)
            while not self._stopping.is_set():
                self._restart_dead_parts()
                if os.getpid() == 1:
                    self._reap_orphans()
                self.every()
                with contextlib.suppress(queue.Empty):
                    self._wake.get(timeout=0.5)
        finally:
            self._stop_all()

    def _start(self, part: Part) -> None:
        environment = os.environ if self.environment is None else self.environment
        process = part.process = subprocess.Popen(
            launched(part.next_command(), become=self.become),
            env={name: value for name, value in environment.items() if name not in part.without},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # so that Ctrl-C in the terminal reaches only us, and we stop the parts in order
            start_new_session=True,
        )
        part.started = time.monotonic()
        part.restart_at = 0.0
        threading.Thread(target=self._relay, args=(part.name, process.stdout), daemon=True).start()
        threading.Thread(target=self._await_end, args=(process,), daemon=True).start()

    def _relay(self, name: str, output: IO[str]) -> None:
        with output:
            for line in output:
                self.relay(name, line.rstrip())

    def _await_end(self, process: subprocess.Popen[str]) -> None:
        """Wakes the supervisor as soon as a part ends, without taking the exit status from it."""
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self._wake.put(None)

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
        self.ended(part)
        self.say(f"{part.name} ended ({_exit_reason(status)}); it is restarted in {part.pause:.0f} s.")
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
