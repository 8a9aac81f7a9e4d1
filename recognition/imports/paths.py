"""Paths in folders, ZIPs and tables: written in one way, and compared in one way."""

import re
import unicodedata

from django.utils.translation import gettext as _

from faceplatform.errors import InvalidInput

DRIVE = re.compile(r"^[A-Za-z]:/")


def tidied(path: str) -> str:
    """With slashes, and without “.”, doubled slashes and spaces around it: “.\\photos\\a.jpg” → photos/a.jpg."""
    slashed = path.strip().replace("\\", "/")
    start = "/" if slashed.startswith("/") else ""
    return start + "/".join(part for part in slashed.split("/") if part not in ("", "."))


def comparable(path: str) -> str:
    """The same text for all the ways in which a path may be written: with either slash, in capitals, decomposed (NFD)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", tidied(path)).casefold())


def composed(text: str) -> str:
    """In NFC: macOS writes “ë” as two characters, other systems as one."""
    return unicodedata.normalize("NFC", text)


def require_inside(path: str) -> None:
    """Raises InvalidInput (path_refused) if a tidied path leads out of the folder or ZIP, or does not start in it."""
    if path.startswith("/") or DRIVE.match(path) or ".." in path.split("/"):
        raise InvalidInput(_("This path leads out of the folder or ZIP of the import."), code="path_refused")
