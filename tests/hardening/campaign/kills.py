"""kill -9 of each part, of a connection's server process, of the database, of the supervisor, and of all at once."""

import contextlib
import os
import signal
import time

import psycopg

from tests.hardening.campaign.fault import Strikes
from tests.hardening.campaign.field import PARTS
from tests.platform_process import is_running

ORPHANS_END = 40.0  # seconds


class Kill(Strikes):
    part = ""

    def strike(self) -> None:
        pids = self.field.pids(self.part)
        if pids:  # else it is still being started anew
            kill(self.chance.choice(pids))


class KillWorker(Kill):
    part = "recognition_worker"


class KillWeb(Kill):
    part = "web_server"


class KillJobs(Kill):
    part = "job_worker"


class KillCameras(Kill):
    part = "camera_worker"


class KillBackend(Strikes):
    """PostgreSQL ends all others when one of its processes is killed, and recovers."""

    def strike(self) -> None:
        with contextlib.suppress(psycopg.OperationalError):
            query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            if pids := [pid for (pid,) in self.field.rows(query)]:
                kill(self.chance.choice(pids))


class KillDatabase(Strikes):
    times = 2

    def strike(self) -> None:
        if server := self.field.server():
            kill(server)


class KillSupervisor(Strikes):
    """Its parts end with it. Somebody starts it again, as systemd would."""

    times = 1

    def strike(self) -> None:
        process = self.field.platform.process
        parts = [pid for part in PARTS for pid in self.field.pids(part)]
        kill(process.pid)
        process.wait()
        deadline = time.monotonic() + ORPHANS_END
        while any(map(is_running, parts)):
            assert time.monotonic() < deadline, "parts outlive their supervisor"
            time.sleep(0.1)
        self.field.start()


class KillEverything(Strikes):
    """As if the machine had crashed, but for what the operating system had not written yet."""

    times = 1

    def strike(self) -> None:
        process, server = self.field.platform.process, self.field.server()
        pids = [process.pid, *(pid for part in PARTS for pid in self.field.pids(part)), *([server] if server else [])]
        for pid in pids:
            kill(pid)
        process.wait()
        self.field.start()


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
