"""The whole platform from outside: start, kill, start again, stop."""

import json
import os
import re
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from platform_process import Platform, is_running


@pytest.fixture
def platform(tmp_path, sface_dir):
    made = Platform(tmp_path / "my data", FACEPLATFORM_ADMIN_PASSWORD="")
    yield made
    if made.process and made.process.poll() is None:
        made.interrupt()


def read(address: str) -> dict:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


def wait_until_ready(platform) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            return read(f"{platform.address}/health/ready")
        except urllib.error.HTTPError as error:
            assert error.code == 503
        except OSError:  # the web server is being started again
            pass
        assert time.monotonic() < deadline, "".join(platform.lines)
        time.sleep(0.3)


def all_parts(platform) -> list[int]:
    """Worker, jobs and web: a part that died of the database is started again a moment later."""
    deadline = time.monotonic() + 60
    while len(children := platform.children("manage.py")) != 4:
        assert time.monotonic() < deadline, children
        time.sleep(0.1)
    return children


def wait_until_dead(processes: list[int]) -> None:
    deadline = time.monotonic() + 30
    while any(is_running(process) for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_platforms_life(platform, faces_or_hopper):
    platform.start()
    assert read(f"{platform.address}/health/ready") == {"status": "ok", "workers": 1}
    password = re.search(r"Password:\s+(\S+)", "".join(platform.lines))[1]
    assert len(password) >= 16
    secret = Path(platform.environment["FACEPLATFORM_DATA_DIR"]) / "secret_key"
    assert secret.stat().st_mode & 0o777 == 0o600
    key = secret.read_text()

    # a part that is killed comes back
    [worker] = platform.children("recognition_worker")
    os.kill(worker, signal.SIGKILL)
    platform.wait_for("worker-1 ended (signal SIGKILL)")
    [server] = platform.children("pginstall18")
    os.kill(server, signal.SIGKILL)
    platform.wait_for("The embedded PostgreSQL ended; starting it again.")
    wait_until_ready(platform)

    # everything is killed at once; what was left behind does not stand in the way
    children = all_parts(platform)
    platform.process.kill()
    platform.process.wait()
    wait_until_dead(children)
    platform.lines.clear()
    platform.start()
    assert "Password" not in "".join(platform.lines)
    assert secret.read_text() == key
    assert platform.manage("import_faces", str(faces_or_hopper), "--gallery", "demo", "--create").returncode == 0

    # Ctrl-C stops all of it, the database too
    children = platform.children()
    assert platform.interrupt() == 0
    assert platform.lines[-1] == "Stopped.\n"
    wait_until_dead(children)
    assert not (Path(platform.environment["FACEPLATFORM_DATA_DIR"]) / "postgres" / "postmaster.pid").exists()

    # a command works without it, and the data is there
    again = platform.manage("import_faces", str(faces_or_hopper), "--gallery", "demo")
    assert "1 were already enrolled" in again.stdout, again.stderr


@pytest.fixture
def faces_or_hopper(tmp_path, hopper):
    folder = tmp_path / "faces" / "grace_hopper"
    folder.mkdir(parents=True)
    (folder / "portrait.jpg").write_bytes(hopper)
    return folder.parent


def test_as_process_1_of_a_container_it_starts_restarts_and_stops(tmp_path, sface_dir, as_process_1):
    platform = Platform(tmp_path / "data", inside=as_process_1)
    platform.start()
    [first] = platform.children()
    try:
        assert read(f"{platform.address}/health/ready") == {"status": "ok", "workers": 1}
        assert not any(" ended (" in line for line in platform.lines)
        [worker] = platform.children("recognition_worker", of_process=first)
        os.kill(worker, signal.SIGKILL)
        platform.wait_for("worker-1 ended (signal SIGKILL)")
        wait_until_ready(platform)
        parts = platform.children(of_process=first)
    finally:
        os.kill(first, signal.SIGTERM)
    assert platform.process.wait(60) == 0
    platform.wait_for_end("Stopped.")
    wait_until_dead([first, *parts])


def test_one_signal_to_it_alone_stops_all_of_it(platform):
    """As systemd does with KillMode=mixed, and docker stop."""
    platform.start()
    parts = platform.children()
    platform.process.terminate()
    assert platform.process.wait(60) == 0
    assert platform.lines[-1] == "Stopped.\n"
    wait_until_dead(parts)


def test_a_signal_while_it_prepares_leaves_no_database_behind(platform):
    platform.start(until="Creating the embedded PostgreSQL cluster")
    platform.process.terminate()
    assert platform.process.wait(60) == 0
    data_dir = os.fsencode(platform.environment["FACEPLATFORM_DATA_DIR"])
    commands = [path for path in Path("/proc").glob("[0-9]*/cmdline") if is_running(int(path.parent.name))]
    assert not [path for path in commands if data_dir in path.read_bytes()]


def test_a_port_in_use_is_told_before_anything_starts(platform):
    with socket.socket() as other:
        other.bind(("127.0.0.1", platform.port))
        other.listen()
        done = platform.manage("up")
    assert done.returncode == 1
    assert f"Port {platform.port} on 127.0.0.1 cannot be used" in done.stderr
    assert not Path(platform.environment["FACEPLATFORM_DATA_DIR"], "postgres").exists()


@pytest.mark.parametrize(
    ("name", "value"), [("FACEPLATFORM_PORT", "http"), ("FACEPLATFORM_WORKERS", "0"), ("FACEPLATFORM_HTTPS", "maybe")]
)
def test_a_setting_that_cannot_be_used_is_named(platform, name, value):
    platform.environment[name] = value
    done = platform.manage("check")
    assert done.returncode != 0
    assert f"{name}='{value}' cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
