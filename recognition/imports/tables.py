"""A CSV with a line per photo, as spreadsheets and other programs write one."""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from faceplatform.errors import InvalidInput
from recognition.imports.paths import require_inside, tidied
from recognition.imports.rows import SourceRow

CSV_COLUMNS = ("name", "external_id", "department", "position", "photo")
SUFFIXES = (".csv", ".tsv")
SEPARATORS = (",", ";", "\t", "|")
BAD_QUOTE = gettext_noop('a quotation mark (") is missing there, or is one too many')


@dataclass(frozen=True, slots=True)
class Table:
    """Only the text is kept, which takes a tenth of the memory of parsed lines. skipped: lines before the header."""

    name: str
    text: str
    separator: str
    skipped: int

    def lines(self) -> Iterator[tuple[int, dict[str, str]]]:
        """The number of each line that is not empty, and column → trimmed cell. Raises InvalidInput for what cannot be read."""
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=self.separator, strict=True)
        columns: list[str] = []
        start = 0  # of the line that is read now
        try:
            for cells in reader:
                number, start = start + 1 + self.skipped, reader.line_num
                if not columns:
                    columns = _columns(cells)
                    self._require(columns)
                elif any(cell.strip() for cell in cells):
                    yield number, self._line(number, dict(zip(columns, cells, strict=False)))
        except csv.Error as error:
            why = _(BAD_QUOTE) if "limit" not in str(error) else _("the next cell is too long")
            text = _("%(name)s cannot be read after line %(line)s: %(why)s.")
            raise InvalidInput(text % {"name": self.name, "line": start + self.skipped, "why": why}) from error
        self._require(columns)

    def _line(self, number: int, cells: dict[str, str]) -> dict[str, str]:
        line = {column: cells.get(column, "").strip() for column in CSV_COLUMNS}
        if any(len(line[column].splitlines()) > 1 for column in ("name", "photo")):
            text = _("%(name)s cannot be read in line %(line)s: %(why)s.")
            raise InvalidInput(text % {"name": self.name, "line": number, "why": _(BAD_QUOTE)})
        return line

    def _require(self, columns: list[str]) -> None:
        if missing := {"name", "photo"} - set(columns):
            text = _(
                "%(name)s lacks the columns %(missing)s. Columns: %(columns)s. "
                "If it is not the list of the people, leave it out."
            )
            columns_told = {"missing": ", ".join(sorted(missing)), "columns": ", ".join(CSV_COLUMNS)}
            raise InvalidInput(text % {"name": self.name, **columns_told})


def read_table(data: bytes, name: str) -> Table:
    """Raises InvalidInput if any line of it cannot be read, before anybody is enrolled."""
    if len(data) > settings.MAX_CSV_BYTES:
        text = _("%(name)s is larger than %(most)s MiB. Split it.")
        raise InvalidInput(text % {"name": name, "most": settings.MAX_CSV_BYTES // 2**20})
    text = _decoded(data, name).replace("\0", "")
    head, _newline, rest = text.partition("\n")
    skipped = 0
    separator = ""
    if head.strip().lower().strip('"').startswith("sep="):  # how Excel is told
        separator, text, skipped = head.strip("\r ").strip('"')[4:5], rest, 1
    table = Table(name, text, separator or _separator(text), skipped)
    for _line in table.lines():
        pass
    return table


def table_rows(table: Table, read: Callable[[str], bytes]) -> Iterator[SourceRow]:
    """One row per line. Where a photo is named again, the line number makes the path unique. read: takes a tidied path."""
    seen: set[str] = set()
    for number, cells in table.lines():
        photo = tidied(cells["photo"])
        path = photo if photo not in seen else f"{photo} (line {number})"
        seen.add(path)
        fields = {"department": cells["department"], "position": cells["position"]}
        key = cells["external_id"] or cells["name"]
        yield SourceRow(path or f"(line {number})", key, cells["name"], partial(_read, photo, read), fields)


def _read(photo: str, read: Callable[[str], bytes]) -> bytes:
    if not photo:
        raise InvalidInput(_("This row has no photo."), code="photo_missing")
    require_inside(photo)
    return read(photo)


def _decoded(data: bytes, name: str) -> str:
    """UTF-8, or UTF-16 as some spreadsheets write “Unicode text”, with a byte order mark or without."""
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif len(data) > 3 and 0 in data[:2] and data[:2] != b"\0\0":
        encoding = "utf-16-le" if data[1] == 0 else "utf-16-be"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidInput(_("%(name)s is not in UTF-8. Save it as “CSV UTF-8”.") % {"name": name}) from error


def _separator(text: str) -> str:
    """The one that splits the first line into most of our columns."""
    head = text.partition("\n")[0]
    return max(SEPARATORS, key=lambda separator: len(set(CSV_COLUMNS).intersection(_columns(head.split(separator)))))


def _columns(cells: list[str]) -> list[str]:
    """“External ID” and " external-id " are external_id."""
    return ["_".join(cell.strip().strip('"').casefold().replace("-", " ").replace("_", " ").split()) for cell in cells]
