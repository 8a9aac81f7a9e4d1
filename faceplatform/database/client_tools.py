"""PostgreSQL's own programs pg_dump and pg_restore: which of those that are installed, and with what to call them."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from psycopg.conninfo import make_conninfo

from faceplatform.database import postgres
from faceplatform.errors import Unavailable

OLDEST = 17  # knows --exclude-extension
DEBIANS = Path("/usr/lib/postgresql")
KNOWN = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}


def client_tool(name: str, *, server: int) -> Path:
    """The program `name` of the version nearest to the server's, which is no older. server: its major version.

    Raises Unavailable (no_client_tool) if there is none.
    """
    fitting = [(version, path) for path in _installed(name) if (version := _major(path)) >= max(server, OLDEST)]
    if not fitting:
        raise Unavailable(
            f"{name} of PostgreSQL {max(server, OLDEST)} or newer is not installed. Install the package "
            f"postgresql-client-{max(server, OLDEST)}, or put it on PATH.",
            code="no_client_tool",
        )
    return min(fitting, key=lambda found: found[0])[1]


def connection_arguments(parameters: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """How a client program connects as psycopg does with `parameters`: arguments, and the environment with the password."""
    known = {name: value for name, value in parameters.items() if name in KNOWN and value not in (None, "")}
    password = known.pop("password", None)
    environment = dict(os.environ) | ({"PGPASSWORD": str(password)} if password else {})
    return ["--no-password", f"--dbname={make_conninfo(**known)}"], environment


def _installed(name: str) -> Iterator[Path]:
    if not settings.EMBEDDED_POSTGRES:
        if found := shutil.which(name):
            yield Path(found)
        yield from DEBIANS.glob(f"*/bin/{name}")
    yield postgres.binary(name)


@lru_cache(maxsize=16)
def _major(path: Path) -> int:
    """0 if it does not run."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return 0
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found else 0
