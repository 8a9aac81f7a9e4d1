"""Settings whose text has rules of its own. Each function returns the value, or raises ValueError with a few words.

None of them repeats the text of a URL: it holds a password.
"""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from psycopg import Error
from psycopg.conninfo import conninfo_to_dict

ZONES = Path("/usr/share/zoneinfo")  # Django wants a zone to be here, too, where there is such a folder
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
NO_URL = (
    "it is no postgresql:// address; in the user's name and the password, write % as %25, a space as %20, @ as %40, "
    ": as %3A and / as %2F"
)


class Slots(NamedTuple):
    """How many days, weeks and months keep their newest backup."""

    daily: int
    weekly: int
    monthly: int


def backup_slots(text: str) -> Slots:
    try:
        slots = Slots(*(int(part) for part in text.split(",")))
    except (TypeError, ValueError):
        raise ValueError("must be three numbers: days, weeks, months") from None
    if slots.daily < 1 or min(slots) < 0 or max(slots) > 1000:
        raise ValueError("at least one day has to be kept, and no number may be negative or over 1000")
    return slots


def age_recipients(text: str) -> str:
    """Public keys of age, with commas."""
    if not all(re.fullmatch("age1[0-9a-z]{58}", part.strip()) for part in text.split(",") if part.strip()):
        raise ValueError("a public key of age has 62 characters and begins with age1")
    return text.strip()


def log_format(text: str) -> str:
    if text not in ("plain", "json"):
        raise ValueError("must be plain or json")
    return text


def metrics_token(text: str) -> str:
    if text and not re.fullmatch(r"[\x21-\x7e]{16,}", text):
        raise ValueError("it must have 16 characters or more, and no spaces")
    return text


def hour(text: str) -> int:
    if not re.fullmatch("[0-9]{1,2}", text) or int(text) > 23:
        raise ValueError("must be 0 to 23")
    return int(text)


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
