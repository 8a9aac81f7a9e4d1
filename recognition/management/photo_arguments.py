"""The photos that a command was given: files, and folders of them. Each stands for itself, whatever is wrong with another."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from faceplatform.errors import InvalidInput
from faceplatform.text import storable

LEFT_BY_SYSTEMS = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}  # beside hidden files, in folders


@dataclass(frozen=True, slots=True)
class GivenPhoto:
    """path: of the file. name: to show and keep, whatever bytes the path has. problem: why there is nothing to read."""

    path: Path
    name: str
    problem: str = ""

    def read(self) -> bytes:
        """At most one byte more than a photo may have. Raises InvalidInput."""
        if self.problem:
            raise InvalidInput(self.problem, code="unreadable")
        try:
            with self.path.open("rb") as file:
                return file.read(settings.MAX_PHOTO_BYTES + 1)
        except OSError as error:
            raise InvalidInput(_cannot_be_read(self.name, error), code="unreadable") from error


def given_photos(arguments: list[Path]) -> list[GivenPhoto]:
    """In the order they were given; the files of a folder, and of the folders in it, by name."""
    return [photo for argument in arguments for photo in _photos_at(argument)]


def _photos_at(argument: Path) -> Iterator[GivenPhoto]:
    if not argument.is_dir():
        yield GivenPhoto(argument, shown(argument.name or argument))
        return
    found = list(_photos_in(argument, argument.resolve().name))
    yield from found or [GivenPhoto(argument, shown(argument), f"{shown(argument)} holds no files.")]


def _photos_in(folder: Path, called: str) -> Iterator[GivenPhoto]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        yield GivenPhoto(folder, shown(called), _cannot_be_read(shown(called), error))
        return
    for entry in entries:
        path, name = folder / entry.name, f"{called}/{entry.name}"
        if entry.name.startswith(".") or entry.name.lower() in LEFT_BY_SYSTEMS:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _photos_in(path, name)
        elif entry.is_file():
            yield GivenPhoto(path, shown(name))
        else:
            yield GivenPhoto(path, shown(name), f"{shown(name)} is no file.")


def shown(path: Path | str) -> str:
    """A path as text: bytes that are not UTF-8 become “�”."""
    return storable(os.fsencode(path).decode(errors="replace"), 255)


def _cannot_be_read(name: str, error: OSError) -> str:
    return f"{name} cannot be read: {error.strerror}."
