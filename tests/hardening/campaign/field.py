"""The platform that is broken: started as a user would start it, with a gallery, a key, and a look at its rows from outside."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from recognition.lab.bench.api.client import Client
from recognition.lab.bench.api.measure import drawn_photos
from recognition.lab.bench.api.processes import megabytes_of
from tests.platform_process import Platform, is_running

WORKERS = 2
PARTS = {"recognition_worker": WORKERS, "camera_worker": 1, "job_worker": 1, "web_server": 1}
DISK = "1500m"
SETTINGS = {"FACEPLATFORM_KEY_RATE": "0", "FACEPLATFORM_USER_RATE": "0", "FACEPLATFORM_LEASE_SECONDS": "30"}
SCOPES = ("recognize", "read", "enrol", "manage")
START_LIMIT = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class Size:
    """Of all parts together, without the database. megabytes: without shared buffers. files: open ones."""

    megabytes: int
    files: int


class Field:
    """A context manager. environment: further variables for the platform.

    disk: whether the data directory is a small file system of its own, which takes root; see `own_disk`.
    """

    def __init__(self, environment: dict[str, str] | None = None, *, disk: bool = False):
        self.folder = Path(tempfile.mkdtemp(prefix="campaign-"))
        self.disk = disk and own_disk(self.folder)
        self.platform = Platform(self.folder, workers=WORKERS, **SETTINGS, **(environment or {}))
        self.key = self.gallery = ""
        self.photos = drawn_photos()

    def __enter__(self) -> "Field":
        try:
            self.start()
            self.key = self.manage("api_key", "create", "--user", "admin", "--scopes", *SCOPES)
            client = self.connect()
            self.gallery = client.call_checked("POST", "/galleries", {"name": "Campaign"})["slug"]
            client.call_checked("PATCH", f"/galleries/{self.gallery}", {"quality_gate": "off"})  # the faces are alike
            client.close()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self.disk:
            subprocess.run(["umount", "-l", str(self.folder)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- The platform ---
    def start(self) -> None:
        """Raises AssertionError with its output if it does not start."""
        self.platform.lines = []
        deadline = time.monotonic() + START_LIMIT
        self.platform.start(until="")
        self.platform.wait_for("is ready at", deadline - time.monotonic())

    def stop(self) -> None:
        """Also where its supervisor was killed and left a database behind."""
        with contextlib.suppress(subprocess.TimeoutExpired, AttributeError):
            self.platform.interrupt()
        if server := self.server():
            with contextlib.suppress(ProcessLookupError):
                os.kill(server, signal.SIGKILL)

    def manage(self, *arguments: str) -> str:
        """Runs a command of manage.py that has to succeed; what it prints."""
        done = self.platform.manage(*arguments)
        assert done.returncode == 0, done.stderr[-800:]
        return done.stdout.strip()

    def connect(self) -> Client:
        return Client(self.platform.address, self.key)

    def pids(self, part: str) -> list[int]:
        return self.platform.children(part)

    def is_whole(self) -> bool:
        """Whether all parts are there."""
        return all(len(self.pids(part)) == count for part, count in PARTS.items())

    def size(self) -> Size:
        pids = [pid for part in PARTS for pid in self.pids(part)]
        return Size(sum(map(megabytes_of, pids)), sum(map(open_files, pids)))

    # --- The database ---
    def server(self) -> int | None:
        """The process id of PostgreSQL; None if it does not run."""
        try:
            pid = int((self.folder / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if is_running(pid) else None

    @contextmanager
    def database(self, user: str = "faceplatform") -> Iterator[psycopg.Connection]:
        """A connection past the platform; by default as the owner of all tables."""
        with psycopg.connect(
            host=str(self.folder / "run"), port=5432, user=user, dbname="faceplatform", autocommit=True
        ) as connection:
            yield connection

    def rows(self, query: str, *values: Any) -> list[tuple]:
        with self.database() as connection:
            return connection.execute(query, values).fetchall()


def own_disk(folder: Path) -> bool:
    """Puts a small file system (tmpfs) there. False where it may not: without root, or in a container."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def open_files(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  # quicker than paths
    except OSError:
        return 0
