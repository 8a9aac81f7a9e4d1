"""Code run by another process on the test database, for what two processes must not do at once."""

import os
import subprocess
import sys
from pathlib import Path

from web_process import ROOT, database_url

START = "import django; django.setup()\n"


def start_elsewhere(code: str, data_dir: Path, **more: str) -> subprocess.Popen[str]:
    """Starts Python in another process, with Django set up. more: environment variables."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "FACEPLATFORM_DATA_DIR": str(data_dir),
        "DATABASE_URL": database_url(),
        **more,
    }
    command = [sys.executable, "-c", START + code]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def run_elsewhere(code: str, data_dir: Path, **more: str) -> str:
    """Runs Python in another process, with Django set up, and returns what it printed. more: environment variables."""
    process = start_elsewhere(code, data_dir, **more)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return said.strip()
