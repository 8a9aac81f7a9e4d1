"""A whole platform, started as a user would start it, for tests from outside."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "correct horse battery"


class Platform:
    """`manage.py up` with a data directory and a port of its own."""

    def __init__(
        self,
        data_dir: Path,
        *,
        workers: int = 1,
        python: str = sys.executable,
        inside: Sequence[str] = (),
        **environment: str,
    ):
        """inside: the start of the command that runs it, as unshare."""
        self.command = [*inside, python, str(ROOT / "manage.py")]
        self.port = _free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.lines: list[str] = []
        self.environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | {
            "DJANGO_SETTINGS_MODULE": "faceplatform.settings",
            "FACEPLATFORM_DATA_DIR": str(data_dir),
            "FACEPLATFORM_PORT": str(self.port),
            "FACEPLATFORM_WORKERS": str(workers),
            "FACEPLATFORM_ADMIN_PASSWORD": PASSWORD,
            "FACEPLATFORM_SIGN_IN_RATE": "0",  # every test of the pages signs in, often within a minute
            "FACEPLATFORM_LEASE_SECONDS": "5",
            **environment,
        }
        self.process: subprocess.Popen | None = None

    def manage(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*self.command, *arguments], env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )

    def start(self, until: str = "is ready at", *, seconds: float = 90) -> None:
        self.process = subprocess.Popen(
            [*self.command, "up"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        self.wait_for(until, seconds)

    def _read(self, process: subprocess.Popen) -> None:
        with process.stdout as lines:
            self.lines += lines

    def wait_for(self, text: str, seconds: float = 90) -> str:
        """Waits for a line of output that contains `text`, and returns the first one."""
        deadline = time.monotonic() + seconds
        while True:
            if line := next((line for line in list(self.lines) if text in line), None):
                return line
            assert self.process.poll() is None and time.monotonic() < deadline, "".join(self.lines)
            time.sleep(0.1)

    def wait_for_end(self, text: str) -> None:
        """The last line, which may be read after the process has ended."""
        deadline = time.monotonic() + 10
        while not (self.lines and text in self.lines[-1]):
            assert time.monotonic() < deadline, "".join(self.lines)
            time.sleep(0.05)

    def interrupt(self) -> int:
        """Stops it as Ctrl-C does. Returns the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(40)

    def children(self, of: str = "", *, of_process: int | None = None) -> list[int]:
        """The ids of the child processes whose command line contains `of`."""
        children = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = re.sub(r"\(.*\)", "x", stat.read_text()).split()
                command = (stat.parent / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            except OSError:  # it has just ended
                continue
            if int(fields[3]) == (of_process or self.process.pid) and fields[2] != "Z" and of in command:
                children.append(int(fields[0]))
        return children


def is_running(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
