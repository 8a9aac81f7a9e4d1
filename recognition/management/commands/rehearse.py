"""What `up` tries as the system user before it trusts that user with its parts."""

import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection


class Command(BaseCommand):
    help = "Reads, writes and connects to what the platform's parts need, and collects the static files."
    requires_system_checks = []

    def handle(self, **options):
        tempfile.TemporaryFile(dir=settings.DATA_DIR).close()
        for path in _files():
            path.open("rb").close()
        connection.ensure_connection()
        connection.close()
        call_command("collectstatic", verbosity=0, interactive=False)


def _files() -> Iterator[Path]:
    """Of the packages that this command does not import, and of the installed model packs."""
    for package in ("mxnet", "uvicorn"):
        spec = find_spec(package)
        if spec is not None and spec.origin:
            yield from (path for path in Path(spec.origin).parent.iterdir() if path.is_file())
    for pack in settings.MODELS_DIR.iterdir():
        if not pack.name.startswith(".") and pack.is_dir():
            yield from pack.iterdir()
