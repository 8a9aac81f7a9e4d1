"""The files of an import, wherever they lie: each with a path, and a way to read it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from faceplatform.errors import InvalidInput
from recognition.engine.base import PhotoError
from recognition.engine.image import check_bytes
from recognition.imports.paths import composed


@dataclass(frozen=True, slots=True)
class File:
    """path: from the top of the folder or ZIP, with slashes. read: at most so many bytes from its start; raises InvalidInput.

    size: what the folder or ZIP says that it has; nobody has to keep to it.
    """

    path: str
    read: Callable[[int], bytes]
    size: int = 0

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    def photo(self) -> bytes:
        """All of it, or one byte more than a photo may have. Raises InvalidInput."""
        try:
            check_bytes(self.size, settings.MAX_PHOTO_BYTES)
        except PhotoError as error:
            raise InvalidInput(error.message, code=error.code) from error
        return self.read(settings.MAX_PHOTO_BYTES + 1)


def unreadable(why: str) -> InvalidInput:
    return InvalidInput(_("The file cannot be read: %(why)s.") % {"why": why}, code="unreadable")


def read_start(path: Path, size: int) -> bytes:
    """Raises InvalidInput with what the system says."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except (OSError, ValueError) as error:
        raise unreadable(words_of(error)) from error


def words_of(error: Exception) -> str:
    """What the system says about it, without Python's wrapping: “Permission denied”."""
    return getattr(error, "strerror", None) or _("the path is not valid")


def files_under(top: Path) -> list[File]:
    """All files of a folder and of the folders in it, sorted. What cannot be looked into is in the list too, as unreadable."""
    return sorted(_walk(top, "", frozenset()), key=lambda file: file.path)


def _walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[File]:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in above:
            yield _refused(prefix, _("a link that leads back to a folder it lies in"))
            return
        with os.scandir(folder) as entries:
            listed = list(entries)
    except OSError as error:
        if not prefix:
            raise InvalidInput(
                _("%(path)s cannot be read: %(why)s.") % {"path": folder, "why": words_of(error)}
            ) from error
        yield _refused(prefix, words_of(error))
        return
    for entry in listed:
        path = prefix + entry.name
        if entry.is_dir():
            yield from _walk(folder / entry.name, f"{path}/", above | {(status.st_dev, status.st_ino)})
        elif entry.is_file():
            yield File(composed(path), partial(read_start, folder / entry.name), entry.stat().st_size)
        else:
            yield _refused(path, _("it is a broken link") if entry.is_symlink() else _("it is no ordinary file"))


def _refused(path: str, why: str) -> File:
    return File(composed(path), partial(_raise_unreadable, why))


def _raise_unreadable(why: str, size: int) -> bytes:
    raise unreadable(why)
