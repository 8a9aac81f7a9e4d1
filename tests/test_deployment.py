"""The image and the compose file: what they name is there, and what they copy is enough to run."""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from django.conf import settings
from django.core.management import get_commands

from faceplatform import env
from tools import licences

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
PARTS = [service for service in COMPOSE["services"].values() if service["image"] == "faceplatform:local"]
PINNED = re.compile(r"python:3\.11-slim-bookworm|pgvector/pgvector:\d+\.\d+\.\d+-pg\d+|faceplatform:local")

CHECK_AND_COLLECT = """
from django import setup
from django.core.management import call_command
setup()
call_command("check")
call_command("collectstatic", interactive=False)
"""


def test_caddy_lets_through_what_the_platform_takes():
    """Caddy's MB is a million bytes. It is not installed everywhere, so its file is also read."""
    sizes = dict(re.findall(r"request_body (@\w+) \{\s+max_size (\d+)MiB\n", (ROOT / "deploy/Caddyfile").read_text()))
    assert int(sizes["@others"]) * 2**20 >= settings.MAX_UPLOAD_BYTES
    assert int(sizes["@imports"]) * 2**20 > settings.MAX_IMPORT_BYTES


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)


def copies() -> list[tuple[list[str], str]]:
    """Sources and target of each COPY from this folder."""
    found = [line.split() for line in instructions("COPY") if not line.startswith("--from")]
    return [(words[:-1], words[-1]) for words in found]


@pytest.fixture
def image(tmp_path) -> Path:
    """The folder /opt/faceplatform as the image has it."""
    for sources, target in copies():
        for source in sources:
            to = tmp_path / target / (Path(source).name if target.endswith("/") else "")
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, to)
    return tmp_path


def test_what_the_image_copies_is_enough_to_serve_pages(image, tmp_path_factory):
    """All addresses are imported, all static files found: from the copied files alone."""
    data = tmp_path_factory.mktemp("data")
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "FACEPLATFORM_DATA_DIR": str(data),
        "DJANGO_SETTINGS_MODULE": "faceplatform.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", CHECK_AND_COLLECT],
        cwd=image,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kept = [path for path in (ROOT / "recognition").rglob("static/faceplatform/*") if path.is_file()]
    assert kept and all((data / "static" / "faceplatform" / path.name).exists() for path in kept)


def test_nothing_else_gets_into_the_image():
    """The list of what is left out begins with everything; what is taken back in is what is copied."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    back = {line[1:] for line in lines if line.startswith("!")}
    assert back == {source for sources, _ in copies() for source in sources if not source.startswith("/")}
    assert not any(fnmatch.fnmatch(secret, pattern) for secret in (".env", "var", ".git") for pattern in back)


def test_the_image_is_not_root_and_knows_its_settings():
    assert instructions("USER") == ["10001:10001"]
    assert DOCKERFILE.index("\nUSER") > max(DOCKERFILE.rindex(f"\n{word} ") for word in ("RUN", "COPY"))
    assert set(re.findall(r"(?:FACEPLATFORM_|DATABASE_)[A-Z_]+", DOCKERFILE)) <= set(env.SETTINGS)
    assert "/health/ready" in DOCKERFILE and "--require-hashes" in DOCKERFILE
    assert all(PINNED.fullmatch(line.split()[0]) for line in instructions("FROM"))


def test_compose_names_only_what_there_is():
    for service in COMPOSE["services"].values():
        assert PINNED.fullmatch(service["image"])
        named = {volume.split(":")[0] for volume in service["volumes"]}
        assert {name for name in named if not name.startswith("./")} <= set(COMPOSE["volumes"])
        assert all((ROOT / name).exists() for name in named if name.startswith("./"))
    for part in PARTS:
        assert set(part["environment"]) <= set(env.SETTINGS)
        assert set(part.get("command", [])) <= set(get_commands())
        assert part["cap_drop"] == ["ALL"] and "no-new-privileges:true" in part["security_opt"]


def test_only_the_part_that_migrates_knows_the_owner_of_the_tables():
    knowing = [name for name, part in COMPOSE["services"].items() if env.OWNER_URL in part["environment"]]
    assert knowing == ["platform"]
    assert all("POSTGRES_PASSWORD" not in str(part) for part in PARTS)


def test_the_example_has_every_variable_and_no_password():
    example = dict(
        line.split("=", 1)
        for line in (ROOT / "deploy" / "compose.env.example").read_text().splitlines()
        if line and not line.startswith("#")
    )
    text = (ROOT / "compose.yaml").read_text()
    asked = dict(re.findall(r"\$\{([A-Z_]+):([?-])", text))
    assert set(asked) == set(example) == set(re.findall(r"\$\{([A-Z_]+)", text))
    assert {name for name, mark in asked.items() if mark == "?"} == {name for name in example if not example[name]}


# --- Requirements ---


def test_the_lock_has_what_the_requirements_say_and_a_hash_for_each():
    lock = (ROOT / "requirements.lock").read_text()
    pinned = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", re.MULTILINE)
    asked = {(name.lower(), version) for name, version in pinned.findall((ROOT / "requirements.txt").read_text())}
    assert asked <= set(pinned.findall(lock)), "run `make lock`"
    entries = re.split(r"\n(?=[a-z])", lock)[1:]
    assert len(entries) > 60 and all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in lock  # wherever it was made, it can be used everywhere


def test_no_package_of_an_installation_forbids_a_use():
    found = list(licences.packages())
    missing = {name for name, _, _ in licences.PINNED.findall(licences.LOCK.read_text())} - {one.name for one in found}
    assert missing <= {"setuptools"}  # of Python 3.12 alone
    assert {one.name: one.licence for one in found if not one.is_allowed} == {}


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-2.0-or-later", False),
        ("AGPL-3.0-only", False),
        ("CC-BY-NC-4.0", False),
        ("GPL-3.0-only AND (BSD-3-Clause OR MIT)", False),
        ("", False),
    ],
)
def test_which_licences_are_allowed(licence, allowed):
    assert licences.is_allowed(licence) is allowed


def test_the_bill_of_materials_is_valid_and_whole(tmp_path):
    out = tmp_path / "sbom.json"
    subprocess.run([sys.executable, ROOT / "tools" / "sbom.py", out], check=True)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(out.read_text()) is None
    listed = {(part["name"], part["version"]) for part in json.loads(out.read_text())["components"]}
    assert listed == {(package.name, package.version) for package in licences.packages()}
