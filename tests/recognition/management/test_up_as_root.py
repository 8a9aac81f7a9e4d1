"""Root's platform: strangers' photos are looked at by the system user, and commands that root runs beside it go on."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest
from platform_process import Platform

from faceplatform import system_user
from recognition.management.commands import up

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change to another user")


@pytest.fixture(scope="module")
def open_dir():
    """A folder that every user may enter, unlike tmp_path."""
    with tempfile.TemporaryDirectory(prefix="faceplatform-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def python(open_dir) -> str:
    """A Python with our requirements that the system user may run: ours, or that of the system."""
    if _may_run(sys.executable):
        return sys.executable
    base = f"/usr/bin/python3.{sys.version_info.minor}"
    if not Path(base).exists():
        pytest.skip(f"the system user may not run {sys.executable}, and there is no {base}")
    subprocess.run([base, "-m", "venv", "--without-pip", open_dir / "venv"], check=True)
    [packages] = (open_dir / "venv" / "lib").glob("*/site-packages")
    site = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "ours.pth").write_text(site)
    made = str(open_dir / "venv" / "bin" / "python")
    if not _may_run(made):
        pytest.skip(f"the system user may not read {site}")
    return made


def _may_run(python: str) -> bool:
    command = [*system_user.become(), "/usr/bin/env", python, "-c", "import django, mxnet"]
    return subprocess.run(command, capture_output=True, cwd="/", check=False).returncode == 0


@pytest.fixture
def platform(open_dir, python, pack_dir):
    """On a data directory as an earlier version left it."""
    data_dir = open_dir / "data"
    (data_dir / "static").mkdir(parents=True)
    (data_dir / "secret_key").write_text("k" * 60)
    (data_dir / "erasures.jsonl").touch()
    (data_dir / "static" / "old.css").touch()
    models = open_dir / "models"
    shutil.copytree(pack_dir, models / "dlib-resnet")
    made = Platform(data_dir, python=python, FACEPLATFORM_MODELS_DIR=str(models))
    yield made
    if made.process and made.process.poll() is None:
        made.interrupt()


def user_of(process: int) -> str:
    return pwd.getpwuid(Path(f"/proc/{process}").stat().st_uid).pw_name


def test_roots_parts_run_as_the_system_user_and_roots_commands_beside_them(platform, tmp_path, hopper):
    platform.start()
    assert not any("Warning" in line for line in platform.lines)
    assert user_of(platform.process.pid) == "root"
    parts = platform.children("manage.py")
    assert (len(parts), {user_of(part) for part in parts}) == (4, {system_user.NAME})
    status = Path(f"/proc/{parts[0]}/status").read_text()
    assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status

    data_dir = Path(platform.environment["FACEPLATFORM_DATA_DIR"])
    assert (data_dir / "secret_key").read_text() == "k" * 60
    mine = {path.owner() for path in (data_dir, *data_dir.iterdir(), data_dir / "static" / "old.css")}
    assert mine == {system_user.NAME}
    assert not [
        path for path in (data_dir, *data_dir.rglob("*")) if path.lstat().st_mode & 0o077 and not path.is_socket()
    ]

    # root's commands beside it, with a umask that closes what they make to everybody
    photos = tmp_path / "faces" / "grace_hopper"
    photos.mkdir(parents=True)
    (photos / "portrait.jpg").write_bytes(hopper)
    done = platform.manage("import_faces", str(photos.parent), "--gallery", "demo", "--create")
    assert done.returncode == 0, done.stderr
    shown = platform.manage("recognize", str(photos / "portrait.jpg"), "--gallery", "demo")
    assert "grace hopper" in shown.stdout, shown.stderr
    before = os.umask(0o077)
    try:
        installed = platform.manage("packs", "install", "dlib-resnet", "--force")
    finally:
        os.umask(before)
    assert installed.returncode == 0, installed.stderr
    [worker] = platform.children("recognition_worker")
    os.kill(worker, 9)
    platform.wait_for("worker-1 ended")
    platform.lines.clear()
    platform.wait_for("recognition.photos.worker [-] ready")
    with urllib.request.urlopen(f"{platform.address}/sign-in", timeout=10) as page:
        assert page.status == 200
    assert {path.owner() for path in data_dir.iterdir()} == {system_user.NAME}
    assert platform.interrupt() == 0


def test_where_the_system_user_cannot_run_them_root_does_and_says_so(tmp_path, monkeypatch, settings, capsys):
    tmp_path.chmod(0o700)
    settings.DATA_DIR = tmp_path / "data"
    settings.STATIC_ROOT = tmp_path / "data" / "static"
    monkeypatch.setenv("FACEPLATFORM_DATA_DIR", str(settings.DATA_DIR))
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/nothing")
    assert up.Command()._become_user_of_parts(8000) == []
    said = capsys.readouterr().out
    assert "Warning: the platform's parts run as root" in said
    assert "So strangers' photos are decoded as root." in said


def test_where_the_user_cannot_be_made_root_runs_them_and_says_so(tmp_path, monkeypatch, settings, capsys):
    def none():
        raise system_user.NoSystemUser("useradd is not installed")

    settings.DATA_DIR = tmp_path / "data"
    settings.STATIC_ROOT = tmp_path / "data" / "static"
    monkeypatch.setattr(system_user, "owner", none)
    assert up.Command()._become_user_of_parts(8000) == []
    assert "useradd is not installed" in capsys.readouterr().out


def test_for_a_port_below_1024_one_capability_is_kept():
    command = [*system_user.become(capabilities=["net_bind_service"]), "/usr/bin/env", "cat", "/proc/self/status"]
    status = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "CapEff:\t0000000000000400" in status
