"""What an import can read: a folder or ZIP with a folder per person, or a CSV next to its photos, in a folder or a ZIP.

Nothing is unpacked. Each photo is read only when it is needed, and never more than one byte over the size limit. Every file
becomes a row, so that the report accounts for all of them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TypeVar

from django.conf import settings
from django.utils.translation import gettext as _

from faceplatform.errors import InvalidInput
from faceplatform.text import clean_name, storable
from recognition.imports import tables
from recognition.imports.files import File, files_under, read_start, words_of
from recognition.imports.layout import person_name, photo_rows, why_no_photo, without_leftovers
from recognition.imports.paths import comparable, composed
from recognition.imports.rows import LeftOut, Source, SourceLost, SourceRow, failing, left_out
from recognition.imports.zips import files_in

__all__ = ["FileSource", "LeftOut", "Source", "SourceLost", "SourceRow", "person_name"]
MAX_FILES, MAX_UPLOADED_FILES = 1_000_000, 250_000  # in a ZIP, whose table of contents has to fit in memory

Rows = Callable[[], Iterable[SourceRow]]
T = TypeVar("T")


class FileSource:
    """The photos of a folder, ZIP or CSV, in the same order at every call. Raises InvalidInput if it cannot be read."""

    def __init__(self, place: Path | BinaryIO) -> None:
        self._rows = _rows_of(place)

    def rows(self) -> Iterator[SourceRow]:
        """Names and paths are made fit for the database, and paths unique; `read` still uses the original path."""
        seen: set[str] = set()
        for row in self._rows():
            fields = {name: storable(clean_name(value), 200) for name, value in row.fields.items()}
            path = _unique(storable(composed(row.path), 1000), seen)
            key, name = (storable(clean_name(value), 200) for value in (row.key, row.name))
            yield SourceRow(path, key, name, row.read, fields)

    def count(self) -> int:
        total, anybody = 0, False
        for row in self._rows():
            total, anybody = total + 1, anybody or bool(row.key)
        return total if anybody else 0


def _unique(path: str, seen: set[str]) -> str:
    """A ZIP may hold two files of one name, and two names may become one when they are made fit for the database."""
    number, found = 2, path
    while found in seen:
        number, found = number + 1, f"{path[:980]} ({number})"
    seen.add(found)
    return found


def _rows_of(place: Path | BinaryIO) -> Rows:
    if isinstance(place, Path):
        return _rows_at(place)
    return _rows_in(files_in(lambda: nullcontext(place), MAX_UPLOADED_FILES))


def _rows_at(place: Path) -> Rows:
    if place.is_dir():
        return _rows_in(files_under(place))
    if not place.is_file():
        raise InvalidInput(f"{place} does not exist. Give a folder with a folder per person, a ZIP of one, or a CSV.")
    if place.suffix.lower() in tables.SUFFIXES:
        table = tables.read_table(read_start(place, settings.MAX_CSV_BYTES + 1), place.name)
        return partial(tables.table_rows, table, Neighbours(place.parent).read)
    try:
        return _rows_in(files_in(lambda: place.open("rb"), MAX_FILES))
    except OSError as error:
        raise InvalidInput(_("%(path)s cannot be read: %(why)s.") % {"path": place, "why": words_of(error)}) from error


def _rows_in(files: Sequence[File]) -> Rows:
    """The rows of a folder's or ZIP's files: by the one table among them, or else by folder. Raises InvalidInput."""
    meant, leftovers = without_leftovers(files)
    lists = [file for file in meant if file.path.lower().endswith(tables.SUFFIXES)]
    if len(lists) > 1:
        names = " and ".join(storable(file.path, 300) for file in lists[:2])
        raise InvalidInput(_which_list(len(lists)) % {"count": len(lists), "names": names})
    if not lists:
        rows = list(photo_rows(meant))  # now, so that what is wrong with all of it is found before the first photo
        return partial(chain, rows, leftovers)
    table = tables.read_table(lists[0].read(settings.MAX_CSV_BYTES + 1), lists[0].path)
    photos = Named(lists[0].folder, [file for file in meant if file is not lists[0]])
    listed = left_out(lists[0].path, "list", _("This is the list of the people."))
    rest = photos.unnamed(table)
    return lambda: chain(tables.table_rows(table, photos.read), rest, [listed], leftovers)


def _which_list(tables: int) -> str:
    if tables == 2:
        return _(
            "There are %(count)s tables, %(names)s: nobody knows which is the list of the people. Leave one, or none if there "
            "is a folder per person."
        )
    return _(
        "There are %(count)s tables, %(names)s among them: nobody knows which is the list of the people. Leave one, or none if "
        "there is a folder per person."
    )


class Named:
    """The files beside a table, found by what the table calls them: from the table's folder, or from the top."""

    def __init__(self, folder: str, files: Sequence[File]) -> None:
        self._folder, self._files = folder, files
        self._by_path: dict[str, list[File]] = defaultdict(list)
        for file in files:
            self._by_path[comparable(file.path)].append(file)

    def read(self, path: str) -> bytes:
        """Raises InvalidInput (photo_missing, photo_unclear)."""
        found = self._find(path)
        if not found:
            raise InvalidInput(_("There is no %(path)s beside the list.") % {"path": path}, code="photo_missing")
        return _only(found, path).photo()

    def unnamed(self, table: tables.Table) -> list[SourceRow]:
        """Rows for the files that no line of the table names."""
        named = {id(file) for _number, line in table.lines() if line["photo"] for file in self._find(line["photo"])}
        return [self._unnamed(file) for file in self._files if id(file) not in named]

    @staticmethod
    def _unnamed(file: File) -> SourceRow:
        why = why_no_photo(file) or LeftOut("not_in_list", _("The list of the people does not name this file."))
        return failing(file.path, why)

    def _find(self, path: str) -> list[File]:
        """The file written just so, or all that differ only in case and the like."""
        for candidate in (f"{self._folder}/{path}" if self._folder else path, path):
            found = self._by_path.get(comparable(candidate), [])
            if exact := [file for file in found if file.path == composed(candidate)]:
                return exact[:1]
            if found:
                return found
        return []


class Neighbours:
    """The files beside a CSV that was given by itself: only folders that its lines name are looked into."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def read(self, path: str) -> bytes:
        """Raises InvalidInput (photo_missing, photo_unclear, unreadable)."""
        place = self._folder
        for part in path.split("/"):
            place = place / self._name_in(place, part, path)
        return File(path, partial(read_start, place)).photo()

    def _name_in(self, folder: Path, part: str, path: str) -> str:
        try:
            if (folder / part).exists():
                return part
            names = self._names(folder).get(comparable(part), [])
        except (OSError, ValueError):
            names = []
        if not names:
            raise InvalidInput(_("There is no %(path)s beside the list.") % {"path": path}, code="photo_missing")
        return _only(names, path)

    def _names(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._listed:
            self._listed[folder] = defaultdict(list)
            for entry in folder.iterdir():
                self._listed[folder][comparable(entry.name)].append(entry.name)
        return self._listed[folder]


def _only(found: Sequence[T], path: str) -> T:
    if len(found) > 1:
        raise InvalidInput(
            _("%(count)s files are called %(path)s but for capitals. Write it in the list as it is.")
            % {"count": len(found), "path": path},
            code="photo_unclear",
        )
    return found[0]
