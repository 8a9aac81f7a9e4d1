"""Runs the whole platform: prepares the database, administrator and model pack, then starts and supervises all parts."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from accounts.users.services import create_first_administrator
from faceplatform import env, logs, private_files, system_user
from faceplatform.database import postgres
from faceplatform.errors import DomainError
from faceplatform.processes.supervisor import Part, Supervisor, launched
from gallery.models import Gallery
from recognition.backups.upgrading import migrate
from recognition.demo.portraits import require_portraits
from recognition.engine.manifest import PackError
from recognition.management.commands.mqtt_publisher import NO_PAHO, is_paho_here
from recognition.packs.install import catalogue, install_pack
from recognition.photos.models import Worker
from recognition.photos.worker_parts import WorkerPart, release_claims, worker_parts
from recognition.watching.worker_parts import camera_parts

DATABASE_PAUSES = (1.0, 10.0)  # seconds, after the embedded database could not be started again: at first, at most
PARTS_AS_ROOT = (
    "Warning: the platform's parts run as root, because the system user “{user}” cannot run them: {problem}\n"
    "So strangers' photos are decoded as root. Put the platform, its Python and its data where every user may go, such "
    "as /opt, or start it as an ordinary user."
)


class Command(BaseCommand):
    help = "Starts the platform and keeps it running until Ctrl-C."
    requires_system_checks = []
    _database_again_at = 0.0
    _database_pause = DATABASE_PAUSES[0]

    def add_arguments(self, parser):
        parser.add_argument("--port", type=int, default=env.get("FACEPLATFORM_PORT"), help="of the web server")
        parser.add_argument(
            "--workers", type=int, default=env.get("FACEPLATFORM_WORKERS"), help="number of recognition workers"
        )
        parser.add_argument("--demo", action="store_true", help="with a small gallery to look around in")

    def handle(self, *, port, workers, demo, **options):
        host = env.get("FACEPLATFORM_HOST")
        _require_free(host, port)
        if workers < 1:
            raise CommandError("--workers must be 1 or more.")
        _on_signals(lambda *_: sys.exit())  # a database started by then is stopped on the way out
        if demo:
            _require_demo()
        self.prepare()
        if demo:
            self._make_demo()
        self.supervise(host, port, workers, become=self._become_user_of_parts(port))

    def say(self, text: str) -> None:
        self._write(logs.as_json(text, part="up") if settings.LOG_FORMAT == "json" else text)

    def _relay(self, part: str, line: str) -> None:
        self._write(logs.with_part(line, part=part) if settings.LOG_FORMAT == "json" else f"{part} | {line}")

    def _write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def prepare(self) -> None:
        """Sets up everything the parts need. Quick if it is already there."""
        try:
            if settings.EMBEDDED_POSTGRES:
                postgres.ensure_running(settings.DATA_DIR, say=self.say)
            migrate(say=self.say)
            self._install_packs()
            administrator = create_first_administrator(
                username=env.get("FACEPLATFORM_ADMIN_USERNAME"), password=env.get("FACEPLATFORM_ADMIN_PASSWORD")
            )
        except (PackError, postgres.PostgresError, DomainError) as error:
            raise CommandError(str(error)) from error
        if administrator:
            self._show_administrator(*administrator)

    def _install_packs(self) -> None:
        """The default pack, and those of the catalogue that galleries use, whose licences were accepted before. An
        installation that has galleries starts also if one cannot be had: what needs it waits, and says so. Raises PackError."""
        in_force = Gallery.objects.packs_in_force()
        for pack in sorted({settings.DEFAULT_PACK, *(in_force & set(catalogue()))}):
            try:
                install_pack(pack, settings.MODELS_DIR, progress=self.say, accept=lambda licence: True)
            except PackError as error:
                if not in_force:
                    raise
                self.say(f"Warning: the model pack {pack} is not installed. {error}")

    def _make_demo(self) -> None:
        """In a process of its own: a model would stay in ours. Raises CommandError."""
        self.say("Making the demo …")
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "demo"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = [line for line in (done.stdout if done.returncode == 0 else done.stderr).splitlines() if line.strip()]
        if done.returncode:
            raise CommandError(said[-1] if said else f"The demo cannot be made (status {done.returncode}).")
        self.say(said[-1])

    def _show_administrator(self, user, password: str) -> None:
        if env.get("FACEPLATFORM_ADMIN_PASSWORD"):
            self.say(f"Created the administrator “{user}” with the password you set.")
            return
        if settings.LOG_FORMAT == "json":  # such lines are collected and kept: a secret is not for them
            path = settings.DATA_DIR / "first_password"
            with private_files.open_private(path, "w", encoding="utf-8") as file:
                file.write(f"{password}\n")
            self.say(f"Created the administrator “{user}”. The password is in {path}: change it, and delete the file.")
            return
        line = "─" * 62
        self.say(f"{line}\n  First administrator:  {user}\n  Password:             {password}\n"
                 f"  It is shown only once. Change it after signing in.\n{line}")  # fmt: skip

    def _become_user_of_parts(self, port: int) -> list[str]:
        """Root's parts run as the system user: they look at strangers' bytes. Where it cannot run them, as root, with a
        warning. Puts the data directory right for whoever it is."""
        try:
            owner = system_user.owner()
            become = system_user.become(capabilities=["net_bind_service"] if port < 1024 else [])
        except system_user.NoSystemUser as error:
            become, problem = [], str(error)
        else:
            private_files.put_right(settings.DATA_DIR, owner=owner)
            problem = self._rehearse(become) if become else ""
        if problem:
            self.say(PARTS_AS_ROOT.format(user=system_user.NAME, problem=problem))
            become = []
        if not become:
            call_command("collectstatic", verbosity=0, interactive=False)
        return become

    def _rehearse(self, become: list[str]) -> str:
        """Why the parts cannot run so; empty where they can."""
        command = launched([sys.executable, str(settings.BASE_DIR / "manage.py"), "rehearse"], become=become)
        environment = system_user.environment(settings.DATA_DIR)
        done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        return (said[-1] if said else f"status {done.returncode}") if done.returncode else ""

    def supervise(self, host: str, port: int, workers: int, *, become: list[str]) -> None:
        manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
        recognizers = worker_parts(range(1, workers + 1))
        # Otherwise NumPy would use every core for a job's matrix products and slow the workers down.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        parts = [
            *recognizers,
            *camera_parts(range(1, env.get("FACEPLATFORM_CAMERA_WORKERS") + 1)),
            *self._mqtt_parts(manage),
            Part("jobs", [*manage, "job_worker"]),
            Part("web", [*manage, "web_server", "--host", host, "--port", str(port)], without=[env.OWNER_URL]),
        ]
        supervisor = Supervisor(
            parts,
            say=self.say,
            relay=self._relay,
            every=self._keep_database,
            ended=release_claims,
            become=become,
            environment=system_user.environment(settings.DATA_DIR) if become else None,
        )
        _on_signals(supervisor.stop)
        os.chdir(settings.BASE_DIR)
        threading.Thread(target=self._announce, args=(host, port, recognizers), daemon=True).start()
        supervisor.run()
        self.say("Stopped.")

    def _mqtt_parts(self, manage: list[str]) -> list[Part]:
        """None where it is not wanted, or cannot be: everything else works without."""
        if not settings.TELLS_MQTT:
            return []
        if not is_paho_here():
            self.say(f"Warning: nothing is told to the MQTT broker. {NO_PAHO}")
            return []
        return [Part("mqtt", [*manage, "mqtt_publisher"], without=[env.OWNER_URL])]

    def _keep_database(self) -> None:
        if not settings.EMBEDDED_POSTGRES or time.monotonic() < self._database_again_at:
            return
        postgres.bound_log(settings.DATA_DIR)
        if postgres.is_alive(settings.DATA_DIR):
            return
        self.say("The embedded PostgreSQL ended; starting it again.")
        try:
            postgres.ensure_running(settings.DATA_DIR, say=self.say)
        except (postgres.PostgresError, OSError) as error:  # such as a full disk: somebody may make room
            self.say(f"{error}\nIt is tried again in {self._database_pause:.0f} s.")
            self._database_again_at = time.monotonic() + self._database_pause
            self._database_pause = min(2 * self._database_pause, DATABASE_PAUSES[1])
        else:
            self._database_pause = DATABASE_PAUSES[0]

    def _announce(self, host: str, port: int, workers: list[WorkerPart]) -> None:
        """Says that the platform is ready once the web server answers and every worker has registered."""
        address = address_at(host, port)
        while not (_answers(f"{address}/health/live") and _all_registered(workers)):
            time.sleep(0.3)
        self.say(f"Faceplatform is ready at {address} (Ctrl-C stops it)")


def address_at(host: str, port: int) -> str:
    """Where a server on this machine that listens at `host` is asked."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _answers(address: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy of the environment
    try:
        with direct.open(address, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _all_registered(workers: list[WorkerPart]) -> bool:
    registered = Worker.objects.filter(pk__in=[part.worker_id for part in workers]).count()
    connection.close()
    return registered == len(workers)


def _on_signals(stop: Callable[..., None]) -> None:
    """What ends the platform: systemd and containers, Ctrl-C, a terminal that closes."""
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, stop)


def _require_demo() -> None:
    """Raises CommandError before anything is set up. The demo's camera is a video file, for which there has to be a folder."""
    try:
        require_portraits()
    except DomainError as error:
        raise CommandError(error.message) from error
    if settings.CAMERA_FOLDER is None:
        os.environ["FACEPLATFORM_CAMERA_FOLDER"] = str(settings.DATA_DIR / "demo")  # for the parts


def _require_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} on {host} cannot be used ({error.strerror}). Is the platform already running? "
                "If not, choose another port: FACEPLATFORM_PORT or --port."
            ) from error
