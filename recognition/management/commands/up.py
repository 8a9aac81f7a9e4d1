"""Runs the whole platform: prepares the database, administrator and model pack, then starts and supervises all parts."""

import os
import signal
import socket
import sys
import threading
import time
import urllib.request

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from accounts.users.services import create_first_administrator
from faceplatform import env
from faceplatform.database import postgres
from faceplatform.errors import DomainError
from faceplatform.processes.supervisor import Part, Supervisor
from recognition.engine.manifest import PackError
from recognition.packs.install import install_pack
from recognition.photos.models import Worker


class Command(BaseCommand):
    help = "Starts the platform and keeps it running until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--port", type=int, default=env.get("FACEPLATFORM_PORT"), help="of the web server")
        parser.add_argument(
            "--workers", type=int, default=env.get("FACEPLATFORM_WORKERS"), help="number of recognition workers"
        )

    def handle(self, *, port, workers, **options):
        host = env.get("FACEPLATFORM_HOST")
        _require_free(host, port)
        if workers < 1:
            raise CommandError("--workers must be 1 or more.")
        self.prepare()
        self.supervise(host, port, workers)

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def prepare(self) -> None:
        """Sets up everything the parts need. Quick if it is already there."""
        try:
            if settings.EMBEDDED_POSTGRES:
                postgres.ensure_running(settings.DATA_DIR, say=self.say)
            call_command("migrate", verbosity=0, interactive=False)
            install_pack(settings.DEFAULT_PACK, settings.MODELS_DIR, progress=self.say)
            administrator = create_first_administrator(
                username=env.get("FACEPLATFORM_ADMIN_USERNAME"), password=env.get("FACEPLATFORM_ADMIN_PASSWORD")
            )
        except (PackError, postgres.PostgresError, DomainError) as error:
            raise CommandError(str(error)) from error
        call_command("collectstatic", verbosity=0, interactive=False)
        if administrator:
            self._show_administrator(*administrator)

    def _show_administrator(self, user, password: str) -> None:
        if env.get("FACEPLATFORM_ADMIN_PASSWORD"):
            self.say(f"Created the administrator “{user}” with the password you set.")
            return
        line = "─" * 62
        self.say(f"{line}\n  First administrator:  {user}\n  Password:             {password}\n"
                 f"  It is shown only once. Change it after signing in.\n{line}")  # fmt: skip

    def supervise(self, host: str, port: int, workers: int) -> None:
        manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
        web = [sys.executable, "-m", "uvicorn", "faceplatform.asgi:application", "--host", host, "--port", str(port)]
        web += ["--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "10"]
        recognizers = [Part(f"worker-{number}", [*manage, "recognition_worker"]) for number in range(1, workers + 1)]
        # Otherwise NumPy would use every core for a job's matrix products and slow the workers down.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        parts = [
            *recognizers,
            Part("jobs", [*manage, "job_worker"]),
            Part("web", web),
        ]
        supervisor = Supervisor(parts, say=self.say, every=self._keep_database)
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(name, supervisor.stop)
        os.chdir(settings.BASE_DIR)
        threading.Thread(target=self._announce, args=(host, port, recognizers), daemon=True).start()
        supervisor.run()
        self.say("Stopped.")

    def _keep_database(self) -> None:
        if settings.EMBEDDED_POSTGRES and not postgres.is_alive(settings.DATA_DIR):
            self.say("The embedded PostgreSQL ended; starting it again.")
            postgres.ensure_running(settings.DATA_DIR, say=self.say)

    def _announce(self, host: str, port: int, workers: list[Part]) -> None:
        """Says that the platform is ready once the web server answers and every worker has registered."""
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        address = f"http://{shown}:{port}"
        while not (_answers(f"{address}/health/live") and _all_registered(workers)):
            time.sleep(0.3)
        self.say(f"Faceplatform is ready at {address} (Ctrl-C stops it)")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _all_registered(workers: list[Part]) -> bool:
    ids = {part.process.pid for part in workers if part.process}
    registered = Worker.objects.filter(host=socket.gethostname(), process_id__in=ids).count()
    connection.close()
    return registered == len(workers)


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
