"""The files of a ZIP, as any program writes one: how they are called, and their bytes.

Read here and not by zipfile, for which one odd entry (a newer version, a name in the wrong encoding) spoils the whole ZIP, and
which unpacks bzip2 and LZMA without a limit. Only Deflate and no compression at all are read: what every program writes
unless it is told otherwise.
"""

import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import BinaryIO

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from faceplatform.errors import InvalidInput
from recognition.imports.directory import Entry, read_entries, require_bounded
from recognition.imports.files import File, unreadable
from recognition.imports.paths import composed, tidied

ENCRYPTED = 0x1 | 0x40 | 0x2000  # flags: encrypted, strongly encrypted, with masked headers
STORED, DEFLATED, AES = 0, 8, 99
METHODS = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64",
    12: "bzip2",
    14: "LZMA",
    93: "Zstandard",
    95: "XZ",
    96: "JPEG",
    97: "WavPack",
    98: "PPMd",
}
LOCAL_SIGNATURE, LOCAL_BYTES = b"PK\x03\x04", 30
CHUNK = 64 * 1024
Opened = Callable[[], AbstractContextManager[BinaryIO]]
DAMAGED = gettext_noop("it is damaged in the ZIP")


def files_in(opened: Opened, most: int) -> list[File]:
    """The files of a ZIP, sorted by path. Raises InvalidInput if it is damaged, has more than `most`, or is made to harm."""
    with opened() as file:
        require_bounded(file, most)
        return sorted(_files(opened, file), key=lambda found: found.path)


def _files(opened: Opened, file: BinaryIO) -> Iterator[File]:
    for entry in read_entries(file):
        if not entry.name.endswith(("/", "\\")):
            yield File(composed(tidied(entry.name).lstrip("/")), partial(_read, opened, entry), entry.size)


def _read(opened: Opened, entry: Entry, size: int) -> bytes:
    _require_readable(entry)
    try:
        with opened() as file:
            _seek(file, entry)
            data = _inflated(file, entry, size) if entry.method == DEFLATED else file.read(min(entry.packed, size))
    except (OSError, ValueError, zlib.error) as error:
        raise unreadable(_(DAMAGED)) from error
    if len(data) < size and (len(data) != entry.size or zlib.crc32(data) != entry.crc):
        raise unreadable(_(DAMAGED))
    return data


def _require_readable(entry: Entry) -> None:
    if entry.flags & ENCRYPTED or entry.method == AES:
        raise InvalidInput(_("The file is encrypted. Pack the ZIP without a password."), code="encrypted")
    if entry.method not in (STORED, DEFLATED):
        name = METHODS.get(entry.method) or _("method %(number)s") % {"number": entry.method}
        raise unreadable(_("it is packed with %(name)s. Pack the ZIP with Deflate, the usual method") % {"name": name})


def _seek(file: BinaryIO, entry: Entry) -> None:
    """To where the entry's bytes begin. Raises ValueError if its own header is not there."""
    file.seek(entry.offset)
    header = file.read(LOCAL_BYTES)
    if len(header) < LOCAL_BYTES or not header.startswith(LOCAL_SIGNATURE):
        raise ValueError
    file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)


def _inflated(file: BinaryIO, entry: Entry, size: int) -> bytes:
    """At most `size` bytes, however many would follow."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    data, left = bytearray(), entry.packed
    while left and len(data) < size and not inflate.eof:
        chunk = file.read(min(CHUNK, left))
        if not chunk:
            break
        left -= len(chunk)
        data += inflate.decompress(chunk, size - len(data))
        while inflate.unconsumed_tail and len(data) < size:
            data += inflate.decompress(inflate.unconsumed_tail, size - len(data))
    return bytes(data)
