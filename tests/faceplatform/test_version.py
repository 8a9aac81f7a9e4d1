"""One version, wherever it is asked for."""

import subprocess
import sys
from pathlib import Path

import pytest
from api_client import client_of
from factories import UserFactory

from accounts.actor import Actor
from faceplatform import __version__

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_the_command_prints_it(arguments):
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"Faceplatform {__version__}\n"


@pytest.mark.django_db
def test_the_api_and_the_system_page_say_it(client):
    operator = UserFactory(is_superuser=True, is_staff=True)
    assert client_of(Actor(user=operator)).get("/api/v1/version").json() == {"version": __version__}
    client.force_login(operator)
    assert f"Faceplatform {__version__}" in client.get("/system").content.decode()


def test_the_changelog_knows_it():
    assert f"## {__version__} " in (ROOT / "CHANGELOG.md").read_text()
