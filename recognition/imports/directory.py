"""A ZIP's table of contents, read entry by entry: first looked through in little memory, then kept."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from faceplatform.errors import InvalidInput

ENTRY = struct.Struct("<4s4B4HL2L5H2L")  # the fixed part of an entry; the name, extra fields and a comment follow
ENTRY_SIGNATURE = b"PK\x01\x02"
ZIP64, UNICODE_PATH = 0x0001, 0x7075  # numbers of extra fields
WIDE = 0xFFFFFFFF  # stands for a number in the field ZIP64
BYTES_AN_ENTRY = 256  # on average, of the table of contents
MAX_NAME = 1000  # bytes
MAX_FOLDERS = 16
MAX_RATIO, ANY_RATIO_BYTES = 200, 256 * 1024**2  # unpacked to packed, of all files together, once they are this large
DAMAGED = gettext_noop(
    "This is not a ZIP, or it is damaged. To upload a CSV, put it into a ZIP together with its photos."
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the table. offset: where the file's own header begins, from the start of the ZIP. packed, size: in bytes."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int


def looks_like_zip(file: BinaryIO) -> bool:
    """From its first bytes. Leaves the position at the start."""
    file.seek(0)
    first = file.read(4)
    file.seek(0)
    return first in (b"PK\x03\x04", b"PK\x05\x06")


def require_bounded(file: BinaryIO, files: int) -> None:
    """Raises InvalidInput if the ZIP is damaged, has more than `files` entries, or any that are made to harm."""
    start, size, packed, _shift = _place(file)
    if size > files * BYTES_AN_ENTRY:
        raise _too_many(files)
    file.seek(start)
    end, entries, unpacked = start + size, 0, 0
    while file.tell() < end:
        unpacked += _read_entry(file)
        entries += 1
        if entries > files:
            raise _too_many(files)
    if unpacked > ANY_RATIO_BYTES and unpacked > packed * MAX_RATIO:
        raise InvalidInput(
            _("The ZIP would grow to more than %(most)s times its size. Photos do not: pack them anew.")
            % {"most": MAX_RATIO}
        )


def read_entries(file: BinaryIO) -> Iterator[Entry]:
    """The entries of a ZIP that `require_bounded` has passed. Raises InvalidInput if it is damaged."""
    start, size, _packed, shift = _place(file)
    file.seek(start)
    while file.tell() < start + size:
        fixed, name, extra = _read_line(file)
        flags, method = fixed[5:7]
        crc, packed, unpacked = fixed[9:12]
        fields = dict(_extra_fields(extra))
        wide = fields.get(ZIP64, b"")
        # Of these three, those that do not fit into 32 bits are in the extra field, in this order.
        numbers = []
        for number in (unpacked, packed, fixed[18]):
            is_wide = number == WIDE and len(wide) >= 8
            numbers.append(int.from_bytes(wide[:8], "little") if is_wide else number)
            wide = wide[8:] if is_wide else wide
        yield Entry(_name(name, flags, fields), flags, method, crc, numbers[1], numbers[0], numbers[2] + shift)


def _name(raw: bytes, flags: int, fields: dict[int, bytes]) -> str:
    """Info-ZIP's Unicode field, if it belongs to this name; else UTF-8, with the flag or without; else code page 437."""
    field = fields.get(UNICODE_PATH, b"")
    if field[:1] == b"\1" and field[1:5] == zlib.crc32(raw).to_bytes(4, "little"):
        raw = field[5:]
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Number → content. Ends where they make no sense any more."""
    while len(extra) >= 4:
        number, length = struct.unpack("<HH", extra[:4])
        if length > len(extra) - 4:
            return
        yield number, extra[4 : 4 + length]
        extra = extra[4 + length :]


def _place(file: BinaryIO) -> tuple[int, int, int, int]:
    """Where the table of contents is: its start and size, the size of the ZIP, and by how much its offsets are too small."""
    record = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if not record:
        raise InvalidInput(_(DAMAGED))
    size, offset, location = record[zipfile._ECD_SIZE], record[zipfile._ECD_OFFSET], record[zipfile._ECD_LOCATION]  # type: ignore[attr-defined]
    shift = location - size - offset
    if record[zipfile._ECD_SIGNATURE] == zipfile.stringEndArchive64:  # type: ignore[attr-defined]
        shift -= zipfile.sizeEndCentDir64 + zipfile.sizeEndCentDir64Locator  # type: ignore[attr-defined]
    if offset + shift < 0:
        raise InvalidInput(_(DAMAGED))
    return offset + shift, size, location, shift


def _read_entry(file: BinaryIO) -> int:
    """Returns the size of the entry's file, unpacked, and leaves the position at the next entry."""
    fixed, name, _extra = _read_line(file)
    if name.count(b"/") + name.count(b"\\") > MAX_FOLDERS:
        raise InvalidInput(
            _("The ZIP has folders that are more than %(most)s levels deep. Move the photos up.")
            % {"most": MAX_FOLDERS}
        )
    return fixed[11]


def _read_line(file: BinaryIO) -> tuple[tuple[Any, ...], bytes, bytes]:
    """An entry's fixed part, its name and its extra fields, as bytes."""
    raw = file.read(ENTRY.size)
    if len(raw) < ENTRY.size or not raw.startswith(ENTRY_SIGNATURE):
        raise InvalidInput(_(DAMAGED))
    fixed = ENTRY.unpack(raw)
    name_bytes, extra_bytes, comment_bytes = fixed[12:15]
    if name_bytes > MAX_NAME:
        raise InvalidInput(_("A name in the ZIP has more than %(most)s bytes. Shorten it.") % {"most": MAX_NAME})
    name, extra = file.read(name_bytes), file.read(extra_bytes)
    file.read(comment_bytes)
    return fixed, name, extra


def _too_many(files: int) -> InvalidInput:
    return InvalidInput(
        _("The ZIP has more than %(most)s files, or its table of contents is too large. Split it.") % {"most": files}
    )
