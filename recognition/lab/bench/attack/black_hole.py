"""A database that falls silent: a web process of its own reaches it through a forwarder, which stops forwarding."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from recognition.lab.bench.api.platform import free_port
from recognition.lab.bench.attack.forwarder import Forwarder
from recognition.lab.bench.attack.target import Attack, Target, ask, many
from recognition.lab.bench.child import ROOT
from recognition.lab.bench.engine import BenchError

CLIENTS = 30
START_LIMIT = 60.0  # seconds
SOCKET = "run/.s.PGSQL.5432"  # in the data directory
ROLE, NAME = "faceplatform_app", "faceplatform"


class BlackHole(Attack):
    def __init__(self, target: Target):
        super().__init__(target)
        self.forwarder = Forwarder(str(Path(target.folder) / SOCKET))
        self.port = free_port()
        address = f"postgresql://{ROLE}@127.0.0.1:{self.forwarder.port}/{NAME}"
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "web_server", "--port", str(self.port)],
            env=dict(target.environment) | {"DATABASE_URL": address}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.web = self.process.pid
        self._near = Target(self.port, target.key, target.gallery, target.folder, os.getpid(), target.photo)
        self._wait()

    def run(self, seconds: float) -> Counter[str]:
        self.forwarder.silent.set()
        try:
            return many(CLIENTS, self._list, seconds)
        finally:
            self.forwarder.silent.clear()

    def _list(self, deadline: float) -> str:
        return ask(self._near, "GET", "/api/v1/identities", None, self.target.headers)[0]

    def _wait(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            try:
                if ask(self._near, "GET", "/health/live", None, {})[0] == "200":
                    return
            except OSError:
                time.sleep(0.2)
        self.close()
        raise BenchError("The web process behind the forwarder did not start.")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.forwarder.close()
