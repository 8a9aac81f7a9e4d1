"""Makes ZIPs: with Python's own module, or byte by byte as other programs write them."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

UTF8, ENCRYPTED, DESCRIPTOR = 0x800, 0x1, 0x8  # flags
DOS, UNIX, NTFS, MACOS = 0, 3, 10, 19  # the system that made an entry


def zipped(members: dict[str, bytes]) -> io.BytesIO:
    """A ZIP with these members: path → content."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out


@dataclass(frozen=True)
class Member:
    """An entry as a program writes it. packed: its bytes, if they are not to be made from `data` by `method` (0 or 8)."""

    name: bytes
    data: bytes = b""
    flags: int = 0
    method: int = 8
    system: int = UNIX
    version: int = 20
    extra: bytes = b""
    packed: bytes | None = None
    crc: int | None = None

    def body(self) -> bytes:
        if self.packed is not None:
            return self.packed
        if self.method != 8:
            return self.data
        deflate = zlib.compressobj(wbits=-15)
        return deflate.compress(self.data) + deflate.flush()

    def checksum(self) -> int:
        return zlib.crc32(self.data) if self.crc is None else self.crc


def raw_zip(members: Iterable[Member]) -> io.BytesIO:
    """A ZIP, byte by byte. With DESCRIPTOR, sizes follow the data, as programs write it that do not look back."""
    out, table = io.BytesIO(), b""
    members = list(members)
    for member in members:
        at, body, late = out.tell(), member.body(), member.flags & DESCRIPTOR
        numbers = (member.checksum(), len(body), len(member.data))
        start = (member.version, member.flags, member.method, 0, 0x5A21)
        lengths = (len(member.name), len(member.extra))
        out.write(struct.pack("<4s5H3L2H", b"PK\x03\x04", *start, *((0, 0, 0) if late else numbers), *lengths))
        out.write(member.name + member.extra + body)
        if late:
            out.write(struct.pack("<4s3L", b"PK\x07\x08", *numbers))
        made_by = member.system << 8 | member.version
        table += struct.pack("<4s6H3L5H2L", b"PK\x01\x02", made_by, *start, *numbers, *lengths, 0, 0, 0, 0, at)
        table += member.name + member.extra
    end = (0, 0, len(members), len(members), len(table), out.tell(), 0)
    out.write(table + struct.pack("<4s4H2LH", b"PK\x05\x06", *end))
    out.seek(0)
    return out


def unicode_path(name: bytes, real: str) -> bytes:
    """Info-ZIP's extra field with the real name of an entry that is called `name`."""
    content = b"\x01" + struct.pack("<L", zlib.crc32(name)) + real.encode()
    return struct.pack("<HH", 0x7075, len(content)) + content
