import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psycopg
import pytest

from faceplatform import system_user
from faceplatform.database import postgres

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(params=["plain", "with a space", "long" * 25])
def data_dir(request, tmp_path):
    folder = tmp_path / request.param
    yield folder
    if folder.exists():
        postgres.release(folder)
        postgres.stop(folder)


@pytest.fixture
def plain_dir(tmp_path):
    folder = tmp_path / "data"
    yield folder
    if folder.exists():
        postgres.release(folder)
        postgres.stop(folder)


def quiet(text: str) -> None:
    pass


def place(data_dir) -> dict:
    parts = postgres.connection_settings(data_dir, user=postgres.OWNER)
    return {"host": parts["HOST"], "port": parts["PORT"], "user": parts["USER"], "dbname": parts["NAME"]}


def execute(data_dir, statement: str):
    with psycopg.connect(**place(data_dir), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else None


def run_python(data_dir, code: str) -> subprocess.CompletedProcess:
    imports = "from pathlib import Path\nfrom faceplatform.database import postgres\n"
    command = [sys.executable, "-c", f"{imports}d = Path({str(data_dir)!r})\n{textwrap.dedent(code)}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def test_starts_in_any_folder_and_stops(data_dir):
    postgres.ensure_running(data_dir, say=quiet)
    assert execute(data_dir, "SELECT 1") == [(1,)]
    assert execute(data_dir, "SHOW listen_addresses") == [("",)]
    assert int(execute(data_dir, "SHOW server_version_num")[0][0]) >= 160000
    execute(data_dir, "CREATE EXTENSION vector")
    assert (data_dir / "postgres").stat().st_mode & 0o077 == 0
    postgres.release(data_dir)
    assert not postgres.is_running(data_dir)


def test_a_killed_server_keeps_what_was_committed(plain_dir):
    postgres.ensure_running(plain_dir, say=quiet)
    execute(plain_dir, "CREATE TABLE kept AS SELECT 42 AS answer")
    killed = postgres._server_pid(plain_dir)
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{killed}").exists():  # not as a zombie either, which the next server would take for alive
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not postgres.is_running(plain_dir)
    postgres.ensure_running(plain_dir, say=quiet)
    assert execute(plain_dir, "SELECT answer FROM kept") == [(42,)]


def test_a_killed_user_locks_nobody_out_and_its_server_is_used_again(plain_dir):
    killed = run_python(plain_dir, "postgres.ensure_running(d); import os; os.kill(os.getpid(), 9)")
    assert killed.returncode == -signal.SIGKILL
    before = postgres._server_pid(plain_dir)
    assert before is not None
    postgres.ensure_running(plain_dir, say=quiet)
    assert postgres._server_pid(plain_dir) == before
    postgres.release(plain_dir)
    assert not postgres.is_running(plain_dir)


def test_the_last_user_to_leave_stops_it(plain_dir):
    postgres.ensure_running(plain_dir, say=quiet)
    other = run_python(plain_dir, "postgres.ensure_running(d)")
    assert other.returncode == 0, other.stderr
    assert postgres.is_running(plain_dir)
    postgres.release(plain_dir)
    assert not postgres.is_running(plain_dir)


def test_a_single_user_stops_it_at_exit(plain_dir):
    assert run_python(plain_dir, "postgres.ensure_running(d)").returncode == 0
    assert not postgres.is_running(plain_dir)


def test_several_may_start_it_at_once(plain_dir):
    code = f"""
    import sys; sys.path.insert(0, {str(ROOT)!r})
    from pathlib import Path
    from faceplatform.database import postgres
    postgres.ensure_running(Path({str(plain_dir)!r}))
    print(postgres._server_pid(Path({str(plain_dir)!r})))
    sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    starters = [subprocess.Popen(command, **pipes) for _ in range(3)]
    pids = {starter.stdout.readline() for starter in starters}
    for starter in starters:
        starter.communicate("")
    assert len(pids) == 1 and int(pids.pop())
    assert not postgres.is_running(plain_dir)


def test_an_interrupted_first_start_is_repeated(plain_dir):
    (plain_dir / "postgres" / "new" / "base").mkdir(parents=True)
    postgres.ensure_running(plain_dir, say=quiet)
    assert execute(plain_dir, "SELECT 1") == [(1,)]


def test_a_server_that_cannot_start_reports_the_end_of_its_log(plain_dir):
    postgres.ensure_running(plain_dir, say=quiet)
    postgres.release(plain_dir)
    with (plain_dir / "postgres" / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = 'very many'\n")
    with pytest.raises(postgres.PostgresError, match="shared_buffers"):
        postgres.ensure_running(plain_dir, say=quiet)
    postgres._started.pop(plain_dir).wait()


def test_its_files_are_closed_to_others_those_of_an_earlier_version_too(plain_dir):
    plain_dir.mkdir(mode=0o755)
    (plain_dir / "postgres.log").touch(0o644)
    (plain_dir / "postgres.start.lock").touch(0o644)
    postgres.ensure_running(plain_dir, say=quiet)
    open_to = {path.name: oct(path.stat().st_mode & 0o077) for path in plain_dir.iterdir()}
    open_to.setdefault("run", "0o0")  # elsewhere if the folder's path is too long for a socket
    assert open_to == dict.fromkeys(("postgres", "postgres.lock", "postgres.log", "postgres.start.lock", "run"), "0o0")
    assert plain_dir.stat().st_mode & 0o077 == 0
    owners = {path.stat().st_uid for path in (plain_dir, *plain_dir.iterdir())}
    assert owners == {system_user.owner()[0]}


def test_its_log_holds_nothing_that_was_to_be_stored(plain_dir):
    postgres.ensure_running(plain_dir, say=quiet)
    execute(plain_dir, "CREATE TABLE person (name text UNIQUE); INSERT INTO person VALUES ('Grace Hopper')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        execute(plain_dir, "INSERT INTO person VALUES ('Grace Hopper')")
    with pytest.raises(psycopg.errors.RaiseException):
        execute(plain_dir, "DO $$ BEGIN RAISE 'refused' USING DETAIL = 'Grace Hopper'; END $$ -- Grace Hopper")
    log = (plain_dir / "postgres.log").read_text()
    assert "duplicate key value" in log and "refused" in log
    assert "Hopper" not in log


def test_a_log_of_an_earlier_version_is_begun_anew(plain_dir):
    plain_dir.mkdir()
    (plain_dir / "postgres.log").write_text(
        "ERROR:  duplicate key\nSTATEMENT:  INSERT INTO person VALUES ('Grace Hopper')\n"
    )
    postgres.ensure_running(plain_dir, say=quiet)
    log = (plain_dir / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "Hopper" not in log


def test_its_log_is_bounded_while_it_runs(plain_dir, monkeypatch):
    monkeypatch.setattr(postgres, "LOG_LIMIT", 2_000)
    postgres.ensure_running(plain_dir, say=quiet)
    log = plain_dir / "postgres.log"
    sizes = []
    for _ in range(3):
        with psycopg.connect(**place(plain_dir), autocommit=True) as connection:
            for _ in range(100):
                with pytest.raises(psycopg.errors.UndefinedTable):
                    connection.execute("SELECT FROM nowhere")
        postgres.bound_log(plain_dir)
        sizes.append((log.stat().st_size, log.with_name("postgres.log.1").stat().st_size))
    assert sizes == [(0, 2_000)] * 3
    assert log.with_name("postgres.log.1").stat().st_mode & 0o077 == 0
    execute(plain_dir, "SELECT 1")
    with pytest.raises(psycopg.errors.UndefinedTable):
        execute(plain_dir, "SELECT FROM somewhere")
    assert "somewhere" in log.read_text()
    assert b"\0" not in log.read_bytes(), "the server goes on where the log ends now"
