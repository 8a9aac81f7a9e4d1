import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from faceplatform.processes import supervisor
from faceplatform.processes.supervisor import Part, Supervisor

ROOT = Path(__file__).resolve().parents[3]
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


def test_a_part_ends_with_a_supervisor_that_is_killed(tmp_path):
    code = """
import sys
from faceplatform.processes.supervisor import Part, Supervisor
command = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]
Supervisor([Part("one", command)], say=lambda line: print(line, flush=True)).run()
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    part = int(process.stdout.readline().removeprefix("one | "))
    process.kill()
    process.communicate()
    wait_for(lambda: not Path(f"/proc/{part}").exists() or " Z " in Path(f"/proc/{part}/stat").read_text())


def test_the_launcher_does_not_outlive_a_supervisor_that_is_gone_already():
    command = [sys.executable, str(supervisor.LAUNCHER), "1234567", sys.executable, "-c", "print('up')"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_a_part_that_cannot_be_started_leaves_none_behind():
    made = Supervisor([Part("one", SLEEPS), Part("two", SLEEPS)], say=lambda line: None)
    start, started = made._start, []

    def fails_at_the_second(part):
        if part.name == "two":
            raise OSError("no more processes")
        start(part)
        started.append(part.process)

    made._start = fails_at_the_second
    with pytest.raises(OSError, match="no more"):
        made.run()
    assert started[0].poll() is not None


def test_files_that_a_part_makes_are_its_own(run, tmp_path):
    file = tmp_path / "file"
    run(Part("one", [sys.executable, "-c", f"open({str(file)!r}, 'w'); import time; time.sleep(60)"]))
    wait_for(file.exists)
    assert file.stat().st_mode & 0o777 == 0o600


def test_who_wants_to_know_of_a_death_hears_of_it_before_the_part_is_started_again():
    deaths = []
    part = Part("one", SLEEPS)
    made = Supervisor([part], say=lambda line: None, ended=lambda part: deaths.append(part.process.pid))
    thread = threading.Thread(target=made.run)
    thread.start()
    wait_for(lambda: part.process)
    first = part.process
    first.kill()
    wait_for(lambda: part.process is not first)
    made.stop()
    thread.join()
    assert deaths == [first.pid]


AS_PROCESS_1 = f'''
import os, pathlib, signal, sys, threading, time
sys.path.insert(0, {str(ROOT)!r})
from faceplatform.processes.supervisor import Part, Supervisor

assert os.getpid() == 1
# Each run of it leaves an orphan, which ends a moment later.
LEAVES_AN_ORPHAN = """
import os, time
if child := os.fork():
    os.waitpid(child, 0)
    print("up", flush=True)
    time.sleep(60)
elif os.fork() == 0:
    time.sleep(.3)
os._exit(0)
"""
lines = []
part = Part("one", [sys.executable, "-c", LEAVES_AN_ORPHAN], pause=0.05)
made = Supervisor([part], say=lines.append)
for name in (signal.SIGTERM, signal.SIGINT):
    signal.signal(name, made.stop)

def zombies():
    stats = [path.read_text().rpartition(")")[2].split() for path in pathlib.Path("/proc").glob("[0-9]*/stat")]
    return sum(fields[0] == "Z" for fields in stats)

def watch():
    while lines.count("one | up") < 1:
        time.sleep(.05)
    assert not any("ended" in line for line in lines), lines
    first = part.process
    first.kill()
    while part.process is first or lines.count("one | up") < 2:
        time.sleep(.05)
    while zombies():
        time.sleep(.05)
    print(*lines, sep=chr(10), flush=True)
    os.kill(1, signal.SIGTERM)

threading.Thread(target=watch, daemon=True).start()
made.run()
print("stopped, " + str(part.process.returncode))
'''


def test_as_process_1_parts_live_orphans_are_let_go_and_sigterm_stops_it(as_process_1):
    command = [*as_process_1, sys.executable, "-c", AS_PROCESS_1]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "one | up"
    assert sum("ended" in line for line in lines) == 1
    assert lines[-1] == "stopped, -15"
