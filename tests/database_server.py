"""A PostgreSQL that other machines reach over TCP, from the embedded server's binaries; and its standby."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from hosts import Host

from faceplatform import system_user
from faceplatform.database.postgres import binary

OWNER, APP, NAME, PORT = "faceplatform_owner", "faceplatform_app", "faceplatform", 5432
EVERYBODY = "host all,replication all 0.0.0.0/0 trust\n"


class DatabaseServer:
    """The caller stops it. host: where it runs; it listens on that machine's address."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.folder = Path(tempfile.mkdtemp(prefix="faceplatform-database-"))
        shutil.chown(self.folder, *system_user.owner())
        self.process: subprocess.Popen[bytes] | None = None

    @classmethod
    def new(cls, host: Host) -> "DatabaseServer":
        """An empty database for the platform, with both roles."""
        made = cls(host)
        made._run("initdb", "--pgdata", str(made.data), "--username", OWNER, "--encoding", "UTF8", "--locale", "C")
        with (made.data / "pg_hba.conf").open("a") as rules:
            rules.write(EVERYBODY)
        made.start()
        with made.connection("postgres") as admin:
            admin.execute(f"CREATE ROLE {APP} LOGIN")
            admin.execute(f"CREATE DATABASE {NAME}")
        return made

    def standby(self, host: Host) -> "DatabaseServer":
        """A streaming standby of this one. From now on this one acknowledges nothing that the standby has not stored."""
        made = type(self)(host)
        source = f"host={self.host.address} port={PORT} user={OWNER} connect_timeout=5"
        made._run(
            "pg_basebackup",
            "--dbname",
            source,
            "--pgdata",
            str(made.data),
            "--write-recovery-conf",
            "--checkpoint=fast",
        )
        made.start()
        with self.connection() as admin:
            admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            admin.execute("SELECT pg_reload_conf()")
            wait_until(lambda: admin.execute("SELECT sync_state FROM pg_stat_replication").fetchone() == ("sync",))
        return made

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            arguments = ["-D", self.data, "-p", PORT, "-k", self.folder, "-c", f"listen_addresses={self.host.address}"]
            self.process = subprocess.Popen(
                self._command("postgres", *map(str, arguments)), stdout=log, stderr=log, cwd="/", start_new_session=True
            )
        wait_until(self._answers)

    def kill(self) -> None:
        """As `kill -9` of all of it."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)  # its children notice, and end
        self.process.wait()

    def promote(self) -> None:
        self._run("pg_ctl", "promote", "--wait", "--pgdata", str(self.data))

    def connection(self, name: str = NAME) -> psycopg.Connection:
        """The owner's, from this machine, by the server's own socket."""
        return psycopg.connect(host=str(self.folder), port=PORT, user=OWNER, dbname=name, autocommit=True)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, (self.folder / "log").read_text()
        try:
            self.connection("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _command(self, program: str, *arguments: str) -> list[str]:
        become = system_user.become(capabilities=["dac_read_search"])
        return [*self.host.inside, *become, str(binary(program)), *arguments]

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            self._command(program, *arguments), capture_output=True, text=True, cwd="/", check=False, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr


def url(*servers: DatabaseServer, role: str = APP, port: int = PORT, more: str = "") -> str:
    """What DATABASE_URL says where the database is on one of these."""
    places = ",".join(f"{server.host.address}:{port}" for server in servers)
    several = "target_session_attrs=read-write" if len(servers) > 1 else ""
    return f"postgresql://{role}@{places}/{NAME}?{'&'.join(filter(None, (several, more)))}".rstrip("?")


def wait_until(condition, seconds: float = 60):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found
