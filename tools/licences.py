"""The licences of the packages of requirements.lock, as their installed metadata says; fails where one is not allowed.

    python tools/licences.py

Allowed is what lets everybody use the platform for anything, commerce included, unchanged and over a network.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
PINNED = re.compile(r"^([\w.-]+)==(\S+).*\\\n((?:    --hash=.*\n)+)", re.MULTILINE)

# Beginnings of what is allowed; in lower case. The LGPL's is psycopg's, which we import and do not change.
ALLOWED = (
    "0bsd",
    "apache",
    "bsd",
    "isc",
    "lgpl-3.0-only",
    "mit",
    "mpl-2.0",
    "mozilla public license 2.0",
    "psf",
    "python software",
)
# What the metadata leaves out or says in other words, read from the licence that came with the package.
READ_BY_HAND = {
    "fido2": "BSD-2-Clause AND Apache-2.0 AND MPL-2.0",  # the public suffix list is under the MPL
    "pyrage": "MIT",  # says nothing
    "qrcode": "BSD-3-Clause",  # a classifier says "other": it means a notice on the trademark QR Code
}


@dataclass(frozen=True, slots=True)
class Package:
    """name, version: as locked. hashes: sha256 of each file that may be installed."""

    name: str
    version: str
    hashes: tuple[str, ...]

    @property
    def licence(self) -> str:
        """An expression such as `MIT` or `Apache-2.0 OR BSD-3-Clause`; empty if nothing says it. Raises PackageNotFoundError."""
        if self.name in READ_BY_HAND:
            return READ_BY_HAND[self.name]
        about = metadata.metadata(self.name)
        if said := about.get("License-Expression") or about.get("License"):
            return " ".join(said.split())[:100]
        kinds = [
            kind.rpartition(" :: ")[2] for kind in about.get_all("Classifier") or [] if kind.startswith("License ::")
        ]
        return " OR ".join(kinds)

    @property
    def is_allowed(self) -> bool:
        return is_allowed(self.licence)


def packages(lock: Path = LOCK) -> Iterator[Package]:
    """Those of the lock that this Python has in the locked version: of two versions of one, it has one."""
    for name, version, hashes in PINNED.findall(lock.read_text()):
        if _installed(name) == version:
            yield Package(name, version, tuple(re.findall(r"sha256:([0-9a-f]{64})", hashes)))


def is_allowed(licence: str) -> bool:
    """Of alternatives (OR) one has to be allowed, of what is joined (AND) each. With brackets in it, somebody has to read it."""
    if "(" in licence:
        return False
    alternatives = re.split(r"\s+or\s+", licence.lower())
    return any(all(map(_known, re.split(r"\s+and\s+", one))) for one in alternatives)


def _known(name: str) -> bool:
    return name.strip().removeprefix("3-clause ").startswith(ALLOWED)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def main() -> int:
    found = sorted(packages(), key=lambda package: package.name)
    for package in found:
        mark = " " if package.is_allowed else "!"
        print(f"{mark} {package.name} {package.version}: {package.licence or 'nothing says it'}")
    return 0 if all(package.is_allowed for package in found) else 1


if __name__ == "__main__":
    sys.exit(main())
