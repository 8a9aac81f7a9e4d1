"""What an import can read: a folder or ZIP with a folder per person, or a CSV next to its photos, in a folder or a ZIP.

Nothing is unpacked. Each photo is read only when it is needed, and never more than one byte over the size limit.
"""

import csv
import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from django.conf import settings

from faceplatform.errors import InvalidInput
from faceplatform.text import storable
from recognition.imports.directory import DAMAGED, require_bounded

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".pgm", ".ppm"}
CSV_COLUMNS = ("name", "external_id", "department", "position", "photo")
MAX_FILES, MAX_UPLOADED_FILES = 1_000_000, 250_000  # in a ZIP, whose table of contents has to fit in memory
UNREADABLE = (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)
UNREADABLE_ZIP = (OSError, NotImplementedError, ValueError, zipfile.BadZipFile)


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A photo to enrol.

    path: the photo's place in the source, unique in it. key: the person's external id, by which a second run finds the
    person again. read: returns the photo's bytes; raises InvalidInput, SourceLost or one of UNREADABLE.
    """

    path: str
    key: str
    name: str
    read: Callable[[], bytes]
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def photo_name(self) -> str:
        return PurePosixPath(self.path).name


class Source(Protocol):
    """Where the photos of an import come from."""

    def rows(self) -> Iterator[SourceRow]:
        """The photos, with the same paths at every call. Raises InvalidInput, SourceLost."""

    def count(self) -> int:
        """How many photos there are. Raises InvalidInput, SourceLost."""


class SourceLost(Exception):
    """The source can no longer be reached. The import fails, and continues from there when it is resumed."""


class FileSource:
    """The photos of a folder, ZIP or CSV, in the same order at every call. Raises InvalidInput if it cannot be read."""

    def __init__(self, place: Path | BinaryIO) -> None:
        self._rows = _rows_of(place)

    def rows(self) -> Iterator[SourceRow]:
        """Names and paths are made fit for the database; `read` still uses the original path."""
        for row in self._rows():
            fields = {name: storable(value, 200) for name, value in row.fields.items()}
            yield SourceRow(storable(row.path, 1000), storable(row.key, 200), storable(row.name, 200), row.read, fields)

    def count(self) -> int:
        return sum(1 for _ in self.rows())


def person_name(folder: str) -> str:
    """The folder's name as it is written, with spaces for underscores: “Alex_Lacamoire” → Alex Lacamoire; “amy” stays."""
    return " ".join(folder.replace("_", " ").split()) or folder


def _rows_of(place: Path | BinaryIO) -> Callable[[], Iterable[SourceRow]]:
    if isinstance(place, Path):
        if place.is_dir():
            return partial(_folder_rows, place)
        if not place.is_file():
            raise InvalidInput(
                f"{place} does not exist. Give a folder with a folder per person, a ZIP of one, or a CSV."
            )
        if place.suffix.lower() == ".csv" and not zipfile.is_zipfile(place):
            return partial(_csv_rows, _csv_table(place.read_bytes(), place.name), partial(_read_file, place.parent))
    try:
        if isinstance(place, Path):
            with place.open("rb") as file:
                require_bounded(file, MAX_FILES)
        else:
            require_bounded(place, MAX_UPLOADED_FILES)
        archive = zipfile.ZipFile(place)  # not closed: the rows read from it later
    except UNREADABLE_ZIP as error:
        raise InvalidInput(DAMAGED) from error
    return _zip_source(archive)


# --- A folder per person ---
def _folder_rows(folder: Path) -> Iterator[SourceRow]:
    for person in sorted(entry.name for entry in os.scandir(folder) if entry.is_dir()):
        try:
            photos = sorted(entry.name for entry in os.scandir(folder / person) if entry.is_file())
        except OSError as error:
            yield SourceRow(f"{person}/", person, person_name(person), partial(_refuse_folder, error))
            continue
        for photo in photos:
            if Path(photo).suffix.lower() in SUFFIXES:
                read = partial(_read_file, folder, f"{person}/{photo}")
                yield SourceRow(f"{person}/{photo}", person, person_name(person), read)


def _refuse_folder(error: OSError) -> bytes:
    raise InvalidInput(f"The folder cannot be read: {error.strerror}. Its photos are left out.", code="unreadable")


def _zip_source(archive: zipfile.ZipFile) -> Callable[[], Iterable[SourceRow]]:
    files = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    tables = [name for name in files if name.lower().endswith(".csv") and "__MACOSX" not in name]
    if len(tables) == 1:
        with archive.open(files[tables[0]]) as file:
            table = _csv_table(file.read(settings.MAX_CSV_BYTES + 1), tables[0])
        return partial(_csv_rows, table, partial(_read_named_member, archive, files, PurePosixPath(tables[0]).parent))
    photos = [info for info in files.values() if _is_in_a_folder(PurePosixPath(info.filename))]
    _require_different_folders(PurePosixPath(info.filename).parent for info in photos)
    return partial(_zip_rows, archive, sorted(photos, key=lambda info: info.filename))


def _is_in_a_folder(path: PurePosixPath) -> bool:
    return path.suffix.lower() in SUFFIXES and len(path.parts) > 1 and path.parts[0] != "__MACOSX"


def _require_different_folders(folders: Iterable[PurePosixPath]) -> None:
    """Raises InvalidInput if two folders at different places have the same name: nobody knows whether they are one person."""
    places: dict[str, PurePosixPath] = {}
    for folder in folders:
        if places.setdefault(folder.name, folder) != folder:
            one, other = (storable(str(place), 300) for place in (places[folder.name], folder))
            raise InvalidInput(
                f"Two folders of the ZIP have the same name: {one} and {other}. If they are two people, name the folders "
                "differently. If they are one, put the photos into one folder."
            )


def _zip_rows(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> Iterator[SourceRow]:
    for info in infos:
        person = PurePosixPath(info.filename).parent.name
        yield SourceRow(info.filename, person, person_name(person), partial(_read_member, archive, info))


# --- A table ---
def _csv_table(data: bytes, name: str) -> Callable[[], Iterator[dict[str, str]]]:
    """A function that parses the table anew at every call and yields each line as column → trimmed cell.

    Only the text is kept, which takes a tenth of the memory of parsed lines. The separator is a comma or, as some
    spreadsheets write it, a semicolon. Raises InvalidInput if any line of the table cannot be read.
    """
    if len(data) > settings.MAX_CSV_BYTES:
        raise InvalidInput(f"{name} is larger than {settings.MAX_CSV_BYTES // 2**20} MiB. Split it.")
    try:
        text = data.decode("utf-8-sig").replace("\0", "")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not in UTF-8. Save it as “CSV UTF-8”.") from error
    head = text.partition("\n")[0]
    separator = ";" if ";" in head and "," not in head else ","

    def lines() -> Iterator[dict[str, str]]:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
        if missing := {"name", "photo"} - set(reader.fieldnames or ()):
            columns = ", ".join(CSV_COLUMNS)
            raise InvalidInput(f"{name} lacks the columns {', '.join(sorted(missing))}. Columns: {columns}.")
        try:
            for line in reader:
                yield {column: (line.get(column) or "").strip() for column in CSV_COLUMNS}
        except csv.Error as error:
            raise InvalidInput(f"{name} cannot be read after line {reader.line_num}: {error}.") from error

    for _ in lines():  # finds a bad line before anything is enrolled
        pass
    return lines


def _csv_rows(table: Callable[[], Iterator[dict[str, str]]], read: Callable[[str], bytes]) -> Iterator[SourceRow]:
    """One row per line. Where a photo is named again, the line number makes the path unique."""
    seen: set[str] = set()
    for number, cells in enumerate(table(), start=2):
        path = cells["photo"] if cells["photo"] not in seen else f"{cells['photo']} (line {number})"
        seen.add(path)
        fields = {"department": cells["department"], "position": cells["position"]}
        key = cells["external_id"] or cells["name"]
        yield SourceRow(path or f"(line {number})", key, cells["name"], partial(read, cells["photo"]), fields)


# --- Reading a photo ---
def _read_file(folder: Path, path: str) -> bytes:
    """Refuses paths that lead out of the folder."""
    if not path:
        raise InvalidInput("This row has no photo.", code="photo_missing")
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise InvalidInput("The photo is outside the folder of the import.", code="path_refused")
    with (folder / path).open("rb") as file:
        return file.read(settings.MAX_PHOTO_BYTES + 1)


def _read_named_member(
    archive: zipfile.ZipFile, files: dict[str, zipfile.ZipInfo], folder: PurePosixPath, path: str
) -> bytes:
    """Reads the photo at `path`, relative to the CSV's folder or to the root of the ZIP."""
    info = files.get(str(folder / path)) or files.get(path)
    if info is None:
        raise InvalidInput(f"There is no {path or 'photo'} in the ZIP.", code="photo_missing")
    return _read_member(archive, info)


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Reads at most one byte more than allowed, whatever size the header claims."""
    if info.file_size > settings.MAX_PHOTO_BYTES:
        raise InvalidInput(
            f"The photo has {info.file_size / 2**20:.1f} MiB, more than allowed.", code="image_too_large"
        )
    with archive.open(info) as file:
        return file.read(settings.MAX_PHOTO_BYTES + 1)
