"""Settings whose text has rules of its own. Each function returns the value, or raises ValueError with a few words.

None of them repeats the text of a URL: it holds a password.
"""

import re
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

from psycopg import Error
from psycopg.conninfo import conninfo_to_dict

ZONES = Path("/usr/share/zoneinfo")  # Django wants a zone to be here, too, where there is such a folder
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
NO_URL = (
    "it is no postgresql:// address; in the user's name and the password, write % as %25, a space as %20, @ as %40, "
    ": as %3A and / as %2F"
)


def database_url(text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    try:
        parts = conninfo_to_dict(text)
    except (Error, ValueError):
        raise ValueError(NO_URL) from None
    if "@" in f"{parts.get('host')}{parts.get('hostaddr')}{parts.get('dbname')}":  # the end of a password with @ or /
        raise ValueError(NO_URL)
    ports = str(parts.get("port") or "5432").split(",")
    if not all(re.fullmatch("[0-9]{0,5}", port) and int(port or 1) in range(1, 65536) for port in ports):
        raise ValueError(NO_URL.replace("; in", ", or its port is none; in"))
    if not (parts.get("dbname") or parts.get("service")):
        raise ValueError("it names no database: write /NAME at its end")
    return text


def time_zone(text: str) -> str:
    try:
        ZoneInfo(text)
        known = bool(text) and (not ZONES.exists() or ZONES.joinpath(*text.split("/")).is_file())
    except (KeyError, ValueError, OSError):
        known = False
    if not known:
        raise ValueError("no time zone is called so")
    return text


def log_level(text: str) -> str:
    level = text.strip().upper()
    if level not in LEVELS:
        raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
    return level


def outgoing_networks(text: str) -> list[str]:
    """Each "public", "private", or a network such as 127.0.0.0/8, which is then allowed as well."""
    parts = [part.strip().lower() for part in text.split(",") if part.strip()]
    for part in parts:
        if part not in ("public", "private"):
            ip_network(part)
    return parts
