"""A web server on the test database, in a process of its own, to test waiting and disconnecting from outside."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[1]


class WebProcess:
    """The platform's web server. The caller stops it."""

    def __init__(self, data_dir: Path, **environment: str):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "FACEPLATFORM_DATA_DIR": str(data_dir),
            "DATABASE_URL": database_url(),
            "FACEPLATFORM_SECRET_KEY": settings.SECRET_KEY,
            **environment,
        }
        command = [sys.executable, "manage.py", "web_server", "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment)
        self._wait_until_reachable()

    def _wait_until_reachable(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline
                time.sleep(0.1)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    @property
    def threads(self) -> int:
        return self._status("Threads")

    @property
    def megabytes(self) -> int:
        return self._status("VmRSS") // 1024

    def _status(self, name: str) -> int:
        """A number from the process's status file; memory in kB."""
        return int(re.search(rf"{name}:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1])

    @property
    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def database_url() -> str:
    values = connection.settings_dict
    user, host = quote(values["USER"] or ""), quote(values["HOST"] or "", safe="")
    port = f"&port={values['PORT']}" if values["PORT"] else ""
    return f"postgresql:///{values['NAME']}?host={host}&user={user}{port}"


class Call:
    """One HTTP call on a connection of its own, which a test may close at any time."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def start(cls, port: int, method: str, path: str, body: dict | bytes | None = None, **headers: str) -> "Call":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", f"Content-Length: {len(data)}"]
        lines += ["Content-Type: application/json"] if body is not None and "Content-Type" not in headers else []
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        await writer.drain()
        return cls(reader, writer)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower-case) and body."""
        head, _, body = (await self.reader.read()).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.hang_up()
        return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body

    def hang_up(self) -> None:
        self.writer.close()
