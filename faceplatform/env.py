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

from faceplatform import private_files

BASE_DIR = Path(__file__).resolve().parent.parent


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


def _positive(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise ValueError("must be above 0")
    return value


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError("must be 0 or more")
    return value


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
    """An environment variable. parse: turns its text into the value; raises ValueError or KeyError if it cannot."""

    name: str
    default: str
    parse: Callable[[str], Any]
    help: str


SETTINGS = {
    setting.name: setting
    for setting in [
        Setting(
            "DATABASE_URL",
            "",
            str,
            "postgresql://user:password@host:port/name; if empty, the embedded PostgreSQL is used.",
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
        Setting(
            "FACEPLATFORM_SECRET_KEY", "", str, "If empty, created at the first start and kept in the data directory."
        ),
        Setting(
            "FACEPLATFORM_DEBUG",
            "off",
            _boolean,
            "Django's debug pages. Never switch them on where others can connect.",
        ),
        Setting(
            "FACEPLATFORM_HSTS_DAYS", "30", _natural, "Days for which browsers use only https, once it is on; 0: off."
        ),
        Setting("FACEPLATFORM_TIME_ZONE", "UTC", str, "Time zone of the pages, e.g. Europe/Berlin."),
        Setting("FACEPLATFORM_LOG_LEVEL", "INFO", str.upper, "DEBUG, INFO, WARNING or ERROR."),
        Setting("FACEPLATFORM_ADMIN_USERNAME", "admin", str, "First administrator, created at the first start."),
        Setting("FACEPLATFORM_ADMIN_PASSWORD", "", str, "If empty, a random one is printed once."),
        Setting("FACEPLATFORM_WORKERS", str(len(os.sched_getaffinity(0))), _positive, "Number of recognition workers."),
        Setting("FACEPLATFORM_DEVICE", "cpu", _device, "What runs the models: cpu, gpu or gpu:N (needs a CUDA MXNet)."),
        Setting("FACEPLATFORM_PRECISION", "auto", _precision, "auto, fp32 or bf16; auto uses bf16 if it is faster."),
        Setting(
            "FACEPLATFORM_RUNTIME", "auto", _runtime, "auto, mxnet or openvino; auto uses OpenVINO where it is faster."
        ),
        Setting("FACEPLATFORM_INDEX_MEMORY_MB", "1024", _positive, "Memory for building one vector index, in MiB."),
        Setting(
            "FACEPLATFORM_BACKUP_RETENTION_DAYS", "30", _positive, "Days you keep backups; quoted in erasure reports."
        ),
        Setting(
            "FACEPLATFORM_LEASE_SECONDS", "30", _positive, "Seconds until another worker takes over from a dead one."
        ),
        Setting("FACEPLATFORM_STATEMENT_SECONDS", "30", _natural, "Longest statement of a web request; 0: no limit."),
        Setting("FACEPLATFORM_LOCK_SECONDS", "5", _natural, "Longest wait of a web request for a lock; 0: no limit."),
        Setting("FACEPLATFORM_KEY_RATE", "6000", _natural, "API calls a minute with one key; 0: no limit."),
        Setting("FACEPLATFORM_USER_RATE", "12000", _natural, "API calls a minute by one user; 0: no limit."),
        Setting("FACEPLATFORM_KEY_MAX_DAYS", "0", _natural, "Longest life of a new API key, in days; 0: no limit."),
        Setting(
            "FACEPLATFORM_SIGN_IN_RATE", "10", _natural, "Attempts a minute to sign in to one account; 0: no limit."
        ),
        Setting(
            "FACEPLATFORM_SIGN_IN_ADDRESS_RATE",
            "30",
            _natural,
            "Failed attempts a minute to sign in from one address; 0: no limit.",
        ),
        Setting(
            "FACEPLATFORM_QUEUE_LIMIT", "1000", _positive, "How many photos may wait for workers; further ones get 503."
        ),
        Setting("FACEPLATFORM_MAX_PHOTO_MB", "10", _positive, "Largest photo accepted, in MiB."),
        Setting("FACEPLATFORM_MAX_MEGAPIXELS", "40", _positive, "Largest photo accepted, in megapixels."),
        Setting("FACEPLATFORM_MAX_IMPORT_MB", "2048", _positive, "Largest ZIP that may be uploaded, in MiB."),
        Setting("FACEPLATFORM_PURGE_DAYS", "30", _positive, "Days until what curators deleted is gone permanently."),
        Setting(
            "FACEPLATFORM_GALLERY_DELETION_DAYS", "7", _natural, "Days until a deleted gallery is gone permanently."
        ),
        Setting(
            "FACEPLATFORM_REQUEST_RETENTION_DAYS",
            "30",
            _positive,
            "Days until recognitions are deleted, unless the gallery says otherwise.",
        ),
        Setting(
            "FACEPLATFORM_LOOK_RETENTION_DAYS",
            "180",
            _positive,
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
        raise SettingError(f"{name}={text!r} cannot be used ({error}). {setting.help}") from error


def check_all() -> None:
    """Reads every setting once, so that a bad one is reported at the start. Raises SettingError."""
    for name in SETTINGS:
        get(name)


def secret_key(data_dir: Path) -> str:
    """FACEPLATFORM_SECRET_KEY, or the key stored in `data_dir`, which is created there at the first start."""
    if given := get("FACEPLATFORM_SECRET_KEY"):
        return given
    path = data_dir / "secret_key"
    try:
        private_files.make_folder(data_dir)
        if not path.exists():
            _write_once(path, secrets.token_urlsafe(50))
        return path.read_text()
    except PermissionError as error:
        raise SettingError(
            f"{path} cannot be read: run this as root, or as the user that the platform runs as."
        ) from error


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
