"""Looks through a ZIP's table of contents before anything else reads it: entry by entry, in little memory.

zipfile reads the table as a whole and keeps an object for each entry, whatever the ZIP claims to hold.
"""

import struct
import zipfile
from typing import BinaryIO

from faceplatform.errors import InvalidInput

ENTRY = struct.Struct("<4s4B4HL2L5H2L")  # the fixed part of an entry; the name, extra fields and a comment follow
ENTRY_SIGNATURE = b"PK\x01\x02"
BYTES_AN_ENTRY = 256  # on average, of the table of contents
MAX_NAME = 1000  # bytes
MAX_FOLDERS = 16
MAX_RATIO, ANY_RATIO_BYTES = 200, 256 * 1024**2  # unpacked to packed, of all files together, once they are this large
DAMAGED = "This is not a ZIP, or it is damaged. To upload a CSV, put it into a ZIP together with its photos."


def looks_like_zip(file: BinaryIO) -> bool:
    """From its first bytes. Leaves the position at the start."""
    file.seek(0)
    first = file.read(4)
    file.seek(0)
    return first in (b"PK\x03\x04", b"PK\x05\x06")


def require_bounded(file: BinaryIO, files: int) -> None:
    """Raises InvalidInput if the ZIP is damaged, has more than `files` entries, or any that are made to harm."""
    start, size, packed = _place(file)
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
            f"The ZIP would grow to more than {MAX_RATIO} times its size. Photos do not: pack them anew."
        )


def _place(file: BinaryIO) -> tuple[int, int, int]:
    """Where zipfile will find the table of contents: its start and size, and the size of the ZIP."""
    record = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if not record:
        raise InvalidInput(DAMAGED)
    size, offset, location = record[zipfile._ECD_SIZE], record[zipfile._ECD_OFFSET], record[zipfile._ECD_LOCATION]  # type: ignore[attr-defined]
    shift = location - size - offset
    if record[zipfile._ECD_SIGNATURE] == zipfile.stringEndArchive64:  # type: ignore[attr-defined]
        shift -= zipfile.sizeEndCentDir64 + zipfile.sizeEndCentDir64Locator  # type: ignore[attr-defined]
    if offset + shift < 0:
        raise InvalidInput(DAMAGED)
    return offset + shift, size, location


def _read_entry(file: BinaryIO) -> int:
    """Returns the size of the entry's file, unpacked, and leaves the position at the next entry."""
    fixed = file.read(ENTRY.size)
    if len(fixed) < ENTRY.size or not fixed.startswith(ENTRY_SIGNATURE):
        raise InvalidInput(DAMAGED)
    unpacked, name_bytes, extra_bytes, comment_bytes = ENTRY.unpack(fixed)[11:15]
    if name_bytes > MAX_NAME:
        raise InvalidInput(f"A name in the ZIP has more than {MAX_NAME} bytes. Shorten it.")
    if file.read(name_bytes).count(b"/") > MAX_FOLDERS:
        raise InvalidInput(f"The ZIP has folders that are more than {MAX_FOLDERS} levels deep. Move the photos up.")
    file.read(extra_bytes + comment_bytes)
    return unpacked


def _too_many(files: int) -> InvalidInput:
    return InvalidInput(f"The ZIP has more than {files} files, or its table of contents is too large. Split it.")
