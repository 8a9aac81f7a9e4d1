"""The platform to measure: one that the benchmark starts as a user would, or one that is already running."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import IO

from recognition.lab.bench.api.client import Client
from recognition.lab.bench.api.processes import Processes
from recognition.lab.bench.child import ROOT
from recognition.lab.bench.engine import BenchError

START_LIMIT = 180.0  # seconds
NOT_INHERITED = ("DATABASE_URL", "DJANGO_SETTINGS_MODULE")  # the platform has its own database and the usual settings
SCOPES = ("recognize", "read", "enrol", "manage")


class RunningPlatform:
    """A platform that somebody else runs. processes: None, since it may run on another machine."""

    processes: Processes | None = None

    def __init__(self, address: str, key: str):
        self.address = address.rstrip("/")
        self.key = key

    def connect(self) -> Client:
        return Client(self.address, self.key)


class OwnPlatform(RunningPlatform):
    """`manage.py up` with its own folder and port, the embedded database and no limit on calls. A context manager.

    more: further settings, by the names of environment variables.
    """

    def __init__(self, folder: Path, models_dir: Path, workers: int, more: Mapping[str, str] | None = None):
        self.port = free_port()
        super().__init__(f"http://127.0.0.1:{self.port}", "")
        self.folder = folder
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        self.environment = inherited | {
            "FACEPLATFORM_DATA_DIR": str(folder),
            "FACEPLATFORM_MODELS_DIR": str(models_dir),
            "FACEPLATFORM_HOST": "127.0.0.1",
            "FACEPLATFORM_PORT": str(self.port),
            "FACEPLATFORM_WORKERS": str(workers),
            "FACEPLATFORM_ADMIN_USERNAME": "bench",
            "FACEPLATFORM_KEY_RATE": "0",
            "FACEPLATFORM_USER_RATE": "0",
            **(more or {}),
        }
        self.lines: list[str] = []
        self._process: subprocess.Popen[str]
        self._reader: threading.Thread

    def __enter__(self) -> "OwnPlatform":
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "up"],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            self._reader = threading.Thread(target=self._collect_output, args=(self._process.stdout,), daemon=True)
            self._reader.start()
            self._wait_for_line("is ready at")
            self.key = self.manage("api_key", "create", "--user", "bench", "--scopes", *SCOPES).strip()
            self.processes = Processes(self._process.pid, self._database_pid)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()

    @property
    def pid(self) -> int:
        return self._process.pid

    def manage(self, *arguments: str) -> str:
        """Runs a manage.py command; what it prints. Raises BenchError."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        finished = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if finished.returncode:
            raise BenchError(f"manage.py {arguments[0]} failed:\n{finished.stderr[-800:]}")
        return finished.stdout

    def fill_gallery(self, rows: int, dim: int) -> str:
        """Makes a gallery of so many synthetic samples, with its index; returns its slug. Raises BenchError."""
        figures = self.folder / "search.json"
        self.manage("bench", "search", "--rows", str(rows), "--dim", str(dim), "--keep", "--json", str(figures))
        with closing(self.connect()) as client:
            galleries = client.call_checked("GET", "/galleries")["results"]
        return next(gallery["slug"] for gallery in galleries if gallery["slug"].startswith(f"bench-{dim}-{rows}-"))

    def _collect_output(self, stream: IO[str]) -> None:
        with stream:
            self.lines += stream

    def _wait_for_line(self, text: str) -> None:
        deadline = time.monotonic() + START_LIMIT
        while not any(text in line for line in list(self.lines)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BenchError("The platform did not start:\n" + "".join(self.lines[-15:]))
            time.sleep(0.1)

    def _database_pid(self) -> int | None:
        try:
            return int((self.folder / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
