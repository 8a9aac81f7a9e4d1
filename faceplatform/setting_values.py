"""Settings whose text has rules of its own. Each function returns the value, or raises ValueError with a few words.

None of them repeats the text of a URL: it holds a password.
"""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
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


def second_factor(text: str) -> str:
    if text not in ("nobody", "staff", "owners", "all"):
        raise ValueError("must be nobody, staff, owners or all")
    return text


# Scheme → usual port, TLS from the first byte, STARTTLS.
MAIL = {"smtp": (587, False, True), "smtps": (465, True, False), "smtp+plain": (25, False, False)}
NO_MAIL = "it is none of smtp://, smtps:// and smtp+plain://USER:PASSWORD@HOST:PORT?from=ADDRESS"


def email_url(text: str) -> dict[str, Any]:
    """Django's settings for sending e-mail by this server; none if the text is empty."""
    if not text.strip():
        return {}
    try:
        url = urlsplit(text.strip())
        port, ssl, tls = MAIL[url.scheme]
        [sender] = parse_qs(url.query)["from"]
        values = {"EMAIL_HOST": url.hostname or "", "EMAIL_PORT": url.port or port}
    except (KeyError, ValueError):
        raise ValueError(NO_MAIL) from None
    if not values["EMAIL_HOST"] or "@" not in sender:
        raise ValueError(NO_MAIL)
    user = {"EMAIL_HOST_USER": unquote(url.username or ""), "EMAIL_HOST_PASSWORD": unquote(url.password or "")}
    return (
        values | user | {"EMAIL_USE_SSL": ssl, "EMAIL_USE_TLS": tls, "DEFAULT_FROM_EMAIL": sender, "EMAIL_TIMEOUT": 10}
    )


RANKS, ROLES = ("staff", "administrator"), ("viewer", "curator", "owner")


def oidc_roles(text: str) -> list[tuple[str, str, str]]:
    """VALUE=staff, VALUE=administrator and VALUE=ROLE@GALLERY, with commas. Returns (value, role, gallery or "") of each."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        value, _, role = (piece.strip() for piece in part.rpartition("="))
        role, _, gallery = role.partition("@")
        if not value or role not in (ROLES if gallery else RANKS):
            raise ValueError(f"{part!r} is neither VALUE=staff, VALUE=administrator nor VALUE=ROLE@GALLERY")
        found.append((value, role, gallery))
    return found


def web_address(text: str) -> str:
    text = text.strip().rstrip("/")
    if text and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
        raise ValueError("it must begin with https://")
    return text


MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}
NO_MQTT = "it is neither mqtt:// nor mqtts://USER:PASSWORD@HOST:PORT; in these write @ as %40, : as %3A and / as %2F"


class BrokerAddress(NamedTuple):
    """user: empty if there is none. tls: whether the broker shows a certificate."""

    host: str
    port: int
    tls: bool
    user: str
    password: str


def mqtt_url(text: str) -> BrokerAddress | None:
    """None if the text is empty."""
    if not text.strip():
        return None
    try:
        url = urlsplit(text.strip())
        port = url.port or MQTT_PORTS[url.scheme]
    except (KeyError, ValueError):
        raise ValueError(NO_MQTT) from None
    if url.scheme not in MQTT_PORTS or not url.hostname or url.path.strip("/") or url.query or url.fragment:
        raise ValueError(NO_MQTT)
    user, password = unquote(url.username or ""), unquote(url.password or "")
    return BrokerAddress(url.hostname, port, url.scheme == "mqtts", user, password)


def mqtt_prefix(text: str) -> str:
    text = text.strip().strip("/")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", text) or len(text) > 100:
        raise ValueError("it may hold letters of a to z, digits and _ . - with / between them, 100 characters at most")
    return text
