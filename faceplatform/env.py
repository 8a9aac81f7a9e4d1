"""Settings from environment variables: every name the platform reads, its default and its meaning.

docs/settings.md lists the same names; tests/test_docs.py checks that the two agree.
"""

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from faceplatform import private_files, setting_values

OWNER_URL = "FACEPLATFORM_OWNER_DATABASE_URL"  # known to migrations and jobs alone
BASE_DIR = Path(__file__).resolve().parent.parent
MOST = 1_000_000  # of any number: further up, dates and the database's own limits overflow
MOST_DAYS = 36_500


class SettingError(SystemExit):
    """A setting has an unusable value. Ends the process with a message instead of a traceback."""


def _boolean(text: str) -> bool:
    values = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return values[text.strip().lower()]


def _comma_separated(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _networks(text: str) -> list[IPv4Network | IPv6Network]:
    return [ip_network(part) for part in _comma_separated(text)]


def _path(text: str) -> Path:
    return (BASE_DIR / Path(text).expanduser()).resolve()


def _optional_path(text: str) -> Path | None:
    return _path(text) if text.strip() else None


def _positive(text: str, most: int = MOST) -> int:
    value = int(text)
    if not 0 < value <= most:
        raise ValueError(f"must be a number from 1 to {most}")
    return value


def _natural(text: str, most: int = MOST) -> int:
    value = int(text)
    if not 0 <= value <= most:
        raise ValueError(f"must be a number from 0 to {most}")
    return value


def _days(text: str) -> int:
    return _positive(text, MOST_DAYS)


def _days_or_0(text: str) -> int:
    return _natural(text, MOST_DAYS)


def _device(text: str) -> str:
    if not re.fullmatch(r"cpu|gpu(:\d+)?", text):
        raise ValueError("must be cpu, gpu or gpu:N")
    return text


def _precision(text: str) -> str:
    if text not in ("auto", "fp32", "bf16"):
        raise ValueError("must be auto, fp32 or bf16")
    return text


def _runtime(text: str) -> str:
    if text not in ("auto", "mxnet", "openvino"):
        raise ValueError("must be auto, mxnet or openvino")
    return text


def _port(text: str) -> int:
    value = int(text)
    if not 0 < value < 65536:
        raise ValueError("must be 1 to 65535")
    return value


@dataclass(frozen=True, slots=True)
class Setting:
    """An environment variable. parse: turns its text into the value; raises ValueError or KeyError if it cannot.

    secret: its text is never repeated, whatever is wrong with it.
    """

    name: str
    default: str
    parse: Callable[[str], Any]
    help: str
    secret: bool = False


SETTINGS = {
    setting.name: setting
    for setting in [
        Setting(
            "DATABASE_URL",
            "",
            setting_values.database_url,
            "postgresql://user:password@host:port/name; if empty, the embedded PostgreSQL is used.",
            secret=True,
        ),
        Setting(
            OWNER_URL,
            "",
            str,
            "The same for the role that owns the tables, if DATABASE_URL is one that may only use them.",
        ),
        Setting(
            "FACEPLATFORM_DATA_DIR",
            "var",
            _path,
            "Holds the secret key and the embedded database. Use it for nothing else.",
        ),
        Setting("FACEPLATFORM_MODELS_DIR", "models", _path, "Installed model packs, one folder each."),
        Setting("FACEPLATFORM_HOST", "127.0.0.1", str, "Address the web server listens on."),
        Setting("FACEPLATFORM_PORT", "8000", _port, "Port the web server listens on."),
        Setting(
            "FACEPLATFORM_ALLOWED_HOSTS",
            "127.0.0.1,localhost,[::1]",
            _comma_separated,
            "Host names of this platform, with commas.",
        ),
        Setting(
            "FACEPLATFORM_HTTPS", "off", _boolean, "on if users connect over https: secure cookies, trusted proxy."
        ),
        Setting(
            "FACEPLATFORM_TRUSTED_PROXIES",
            "",
            _networks,
            "Addresses or networks of your proxies, with commas; the client's address is taken from them alone.",
        ),
        Setting("FACEPLATFORM_CONNECTIONS", "2000", _positive, "Connections of a web process at a time."),
        Setting(
            "FACEPLATFORM_CONNECTIONS_PER_ADDRESS", "200", _natural, "Connections from one address; 0: no such limit."
        ),
        Setting(
            "FACEPLATFORM_STRANGERS_PER_SECOND",
            "20",
            _natural,
            "Requests a second of one address without a valid session or key, five times as many at once; 0: no limit.",
        ),
        Setting("FACEPLATFORM_HEADER_SECONDS", "15", _positive, "Seconds a request's headers may take to arrive."),
        Setting(
            "FACEPLATFORM_SECRET_KEY",
            "",
            str,
            "If empty, created at the first start and kept in the data directory.",
            secret=True,
        ),
        Setting(
            "FACEPLATFORM_DEBUG",
            "off",
            _boolean,
            "Django's debug pages. Never switch them on where others can connect.",
        ),
        Setting(
            "FACEPLATFORM_HSTS_DAYS", "30", _days_or_0, "Days for which browsers use only https, once it is on; 0: off."
        ),
        Setting(
            "FACEPLATFORM_TIME_ZONE", "UTC", setting_values.time_zone, "Time zone of the pages, e.g. Europe/Berlin."
        ),
        Setting("FACEPLATFORM_LOG_LEVEL", "INFO", setting_values.log_level, "DEBUG, INFO, WARNING or ERROR."),
        Setting("FACEPLATFORM_ADMIN_USERNAME", "admin", str, "First administrator, created at the first start."),
        Setting("FACEPLATFORM_ADMIN_PASSWORD", "", str, "If empty, a random one is printed once.", secret=True),
        Setting("FACEPLATFORM_WORKERS", str(len(os.sched_getaffinity(0))), _positive, "Number of recognition workers."),
        Setting("FACEPLATFORM_DEVICE", "cpu", _device, "What runs the models: cpu, gpu or gpu:N (needs a CUDA MXNet)."),
        Setting("FACEPLATFORM_PRECISION", "auto", _precision, "auto, fp32 or bf16; auto uses bf16 if it is faster."),
        Setting(
            "FACEPLATFORM_RUNTIME", "auto", _runtime, "auto, mxnet or openvino; auto uses OpenVINO where it is faster."
        ),
        Setting("FACEPLATFORM_INDEX_MEMORY_MB", "1024", _positive, "Memory for building one vector index, in MiB."),
        Setting("FACEPLATFORM_BACKUP_RETENTION_DAYS", "30", _days, "Days you keep backups; quoted in erasure reports."),
        Setting(
            "FACEPLATFORM_LEASE_SECONDS", "30", _positive, "Seconds until another worker takes over from a dead one."
        ),
        Setting("FACEPLATFORM_STATEMENT_SECONDS", "30", _natural, "Longest statement of a web request; 0: no limit."),
        Setting("FACEPLATFORM_LOCK_SECONDS", "5", _natural, "Longest wait of a web request for a lock; 0: no limit."),
        Setting("FACEPLATFORM_KEY_RATE", "6000", _natural, "API calls a minute with one key; 0: no limit."),
        Setting("FACEPLATFORM_USER_RATE", "12000", _natural, "API calls a minute by one user; 0: no limit."),
        Setting("FACEPLATFORM_KEY_MAX_DAYS", "0", _days_or_0, "Longest life of a new API key, in days; 0: no limit."),
        Setting(
            "FACEPLATFORM_SIGN_IN_RATE", "10", _natural, "Attempts a minute to sign in to one account; 0: no limit."
        ),
        Setting(
            "FACEPLATFORM_SIGN_IN_ADDRESS_RATE",
            "30",
            _natural,
            "Failed attempts a minute to sign in from one address; 0: no limit.",
        ),
        Setting("FACEPLATFORM_BACKUP_DIR", "", _optional_path, "Folder for daily backups; if empty, none are made."),
        Setting(
            "FACEPLATFORM_BACKUP_HOUR", "2", setting_values.hour, "Hour of the daily backup, in the time zone set."
        ),
        Setting(
            "FACEPLATFORM_BACKUP_KEEP",
            "7,4,0",
            setting_values.backup_slots,
            "How many days, weeks and months keep their newest backup.",
        ),
        Setting("FACEPLATFORM_BACKUP_VERIFY", "on", _boolean, "Whether each daily backup is restored on trial."),
        Setting("FACEPLATFORM_BACKUP_BEFORE_MIGRATING", "on", _boolean, "Whether `up` backs up before it migrates."),
        Setting(
            "FACEPLATFORM_BACKUP_RECIPIENTS",
            "",
            setting_values.age_recipients,
            "Public keys of age, with commas, that backups are encrypted for.",
        ),
        Setting(
            "FACEPLATFORM_METRICS_TOKEN",
            "",
            setting_values.metrics_token,
            "What Prometheus sends to read /metrics from elsewhere; if empty, only this machine may.",
            secret=True,
        ),
        Setting("FACEPLATFORM_LOG_FORMAT", "plain", setting_values.log_format, "How log lines look: plain or json."),
        Setting(
            "FACEPLATFORM_OIDC_ISSUER",
            "",
            setting_values.web_address,
            "https:// address of your OpenID Connect provider; if empty, there is no single sign-on.",
        ),
        Setting("FACEPLATFORM_OIDC_CLIENT_ID", "", str, "What the provider calls this platform."),
        Setting("FACEPLATFORM_OIDC_CLIENT_SECRET", "", str, "The secret of that client.", secret=True),
        Setting("FACEPLATFORM_OIDC_NAME", "your organisation", str, "What the sign-in page calls the provider."),
        Setting("FACEPLATFORM_OIDC_CLAIM", "groups", str, "The claim whose values FACEPLATFORM_OIDC_ROLES names."),
        Setting(
            "FACEPLATFORM_OIDC_ROLES",
            "",
            setting_values.oidc_roles,
            "VALUE=staff, VALUE=administrator, VALUE=ROLE@GALLERY, with commas; if empty, everybody may sign in.",
        ),
        Setting(
            "FACEPLATFORM_LOCAL_SIGN_IN", "on", _boolean, "off: nobody signs in with a password, but by single sign-on."
        ),
        Setting(
            "FACEPLATFORM_EMAIL_URL",
            "",
            setting_values.email_url,
            "smtp://user:password@host:587?from=address: the server that sends e-mail; if empty, none is sent.",
            secret=True,
        ),
        Setting(
            "FACEPLATFORM_SECOND_FACTOR",
            "nobody",
            setting_values.second_factor,
            "Who must have a second factor: nobody, staff, owners (and staff) or all.",
        ),
        Setting(
            "FACEPLATFORM_SESSION_IDLE_MINUTES",
            "1440",
            _positive,
            "Minutes without a request after which a session ends.",
        ),
        Setting("FACEPLATFORM_SESSION_HOURS", "336", _positive, "Hours after which a session ends in any case."),
        Setting(
            "FACEPLATFORM_QUEUE_LIMIT", "1000", _positive, "How many photos may wait for workers; further ones get 503."
        ),
        Setting("FACEPLATFORM_MAX_PHOTO_MB", "25", _positive, "Largest photo accepted, in MiB."),
        Setting("FACEPLATFORM_MAX_MEGAPIXELS", "40", _positive, "How many megapixels of a photo are decoded at once."),
        Setting("FACEPLATFORM_MAX_IMPORT_MB", "2048", _positive, "Largest ZIP that may be uploaded, in MiB."),
        Setting("FACEPLATFORM_CAMERA_WORKERS", "1", _natural, "Processes of this machine that read cameras."),
        Setting(
            "FACEPLATFORM_CAMERA_FOLDER",
            "",
            _optional_path,
            "The folder in which video files may be read as cameras; empty: none may.",
        ),
        Setting(
            "FACEPLATFORM_CAMERA_DEVICES", "", _comma_separated, "Devices that may be read as cameras, with commas."
        ),
        Setting(
            "FACEPLATFORM_OUTGOING_NETWORKS",
            "public,private",
            setting_values.outgoing_networks,
            "Where cameras may be read and webhooks sent: public, private, or networks, with commas.",
        ),
        Setting(
            "FACEPLATFORM_MQTT_URL",
            "",
            setting_values.mqtt_url,
            "mqtt://user:password@host:port or mqtts://…: the broker told about sightings and alerts; if empty, none is.",
            secret=True,
        ),
        Setting("FACEPLATFORM_MQTT_PREFIX", "faceplatform", setting_values.mqtt_prefix, "How the topics there begin."),
        Setting("FACEPLATFORM_PURGE_DAYS", "30", _days, "Days until what curators deleted is gone permanently."),
        Setting(
            "FACEPLATFORM_GALLERY_DELETION_DAYS", "7", _days_or_0, "Days until a deleted gallery is gone permanently."
        ),
        Setting(
            "FACEPLATFORM_REQUEST_RETENTION_DAYS",
            "30",
            _days,
            "Days until recognitions are deleted, unless the gallery says otherwise.",
        ),
        Setting(
            "FACEPLATFORM_LOOK_RETENTION_DAYS",
            "180",
            _days,
            "Days until it is deleted who looked at what and signed in.",
        ),
    ]
}


def get(name: str) -> Any:
    """The setting's value from the environment, or its default. Raises SettingError."""
    setting = SETTINGS[name]
    text = os.environ.get(name, setting.default)
    try:
        return setting.parse(text)
    except (ValueError, KeyError) as error:
        shown = name if setting.secret else f"{name}={text!r}"
        raise SettingError(f"{shown} cannot be used ({error}). {setting.help}") from None  # libraries repeat the text


def check_all() -> None:
    """Reads every setting once, so that a bad one is reported at the start. Raises SettingError."""
    for name in SETTINGS:
        get(name)
    if get(OWNER_URL) and not get("DATABASE_URL"):
        raise SettingError(f"{OWNER_URL} is for a PostgreSQL of your own: set DATABASE_URL, too.")
    if get("FACEPLATFORM_OIDC_ISSUER") and not get("FACEPLATFORM_OIDC_CLIENT_ID"):
        raise SettingError("FACEPLATFORM_OIDC_ISSUER needs FACEPLATFORM_OIDC_CLIENT_ID and its secret.")
    if not (get("FACEPLATFORM_LOCAL_SIGN_IN") or get("FACEPLATFORM_OIDC_ISSUER")):
        raise SettingError("FACEPLATFORM_LOCAL_SIGN_IN=off needs FACEPLATFORM_OIDC_ISSUER: nobody could sign in.")


def secret_key(data_dir: Path) -> str:
    """FACEPLATFORM_SECRET_KEY, or the key stored in `data_dir`, which is created there at the first start."""
    if given := get("FACEPLATFORM_SECRET_KEY"):
        return given
    path = data_dir / "secret_key"
    try:
        private_files.make_folder(data_dir)
        if not path.exists():
            _write_once(path, secrets.token_urlsafe(50))
        key = path.read_text().strip()
    except PermissionError as error:
        raise SettingError(
            f"{path} cannot be read: run this as root, or as the user that the platform runs as."
        ) from error
    except OSError as error:
        raise SettingError(
            f"{path} cannot be made or read ({error.strerror}). Set FACEPLATFORM_DATA_DIR to a folder that can be written."
        ) from error
    except UnicodeDecodeError:
        key = ""
    if not key:
        raise SettingError(
            f"{path} holds no key. Put it back from your backup, or remove it: everybody signs in anew then."
        )
    return key


def _write_once(path: Path, text: str) -> None:
    """Writes a private file in one step. If two processes race, the first one's text stays."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    with private_files.open_private(scratch, "x") as file:
        file.write(text)
    try:
        os.link(scratch, path)
    except FileExistsError:
        pass
    finally:
        scratch.unlink()
