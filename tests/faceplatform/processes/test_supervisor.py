import sys
import threading
import time

import pytest

from faceplatform.processes import supervisor
from faceplatform.processes.supervisor import Part, Supervisor

SLEEPS = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
DIES = [sys.executable, "-c", "raise SystemExit(3)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


@pytest.fixture
def run():
    """Runs a supervisor in a thread; returns it, the thread and the lines it said. Stops it at the end."""
    running = []

    def start(*parts: Part):
        lines: list[str] = []
        supervised = Supervisor(parts, say=lines.append)
        thread = threading.Thread(target=supervised.run)
        thread.start()
        running.append((supervised, thread))
        return supervised, thread, lines

    yield start
    for supervised, thread in running:
        supervised.stop()
        thread.join()


def wait_for(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_output_carries_the_parts_name_and_stop_ends_all(run):
    supervised, thread, lines = run(Part("one", SLEEPS), Part("two", SLEEPS))
    wait_for(lambda: {"one | up", "two | up"} <= set(lines))
    supervised.stop()
    thread.join(10)
    assert [part.process.poll() for part in supervised.parts] == [-15, -15]


def test_a_part_that_dies_is_restarted_with_growing_pauses(run, monkeypatch):
    monkeypatch.setattr(supervisor, "SHORTEST_PAUSE", 0.1)
    part = Part("bad", DIES, pause=0.1)
    _, _, lines = run(Part("good", SLEEPS), part)
    wait_for(lambda: sum("bad ended (status 3)" in line for line in lines) >= 3)
    assert part.pause >= 0.4
    assert not any("good ended" in line for line in lines)


def test_a_killed_part_comes_back(run):
    supervised, _, lines = run(Part("one", SLEEPS))
    wait_for(lambda: lines)
    first = supervised.parts[0].process
    first.kill()
    wait_for(lambda: supervised.parts[0].process is not first and lines.count("one | up") == 2)
    assert any("one ended (signal SIGKILL)" in line for line in lines)


def test_a_part_that_does_not_stop_is_killed(run, monkeypatch):
    monkeypatch.setattr(supervisor, "GRACE", 0.5)
    supervised, thread, lines = run(Part("mule", STUBBORN))
    wait_for(lambda: lines)
    supervised.stop()
    thread.join(10)
    assert supervised.parts[0].process.poll() == -9
    assert "mule does not stop; it is killed." in lines
