"""Photos whose file ends too early: what is there is completed, so that a decoder shows it as viewers do."""

import struct
import zlib

import numpy as np
from PIL import Image

END_OF_JPEG = b"\xff\xd9"
LEAST_SHOWN = 0.1  # of the photo's rows; less is no photo any more
MAX_RAW = 200 * 2**20  # bytes of a PNG's pixels
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # a PNG's colour type → samples for each pixel
KEPT_CHUNKS = (b"PLTE", b"tRNS", b"eXIf", b"gAMA", b"sRGB")


def completed(data: bytes, plugin: str) -> tuple[bytes, float] | None:
    """A file that can be decoded, and the share of the rows it has; None if the photo cannot be completed.

    Of a JPEG the share is not known before it is decoded: 1 is returned, and `rows_shown` tells afterwards.
    """
    if plugin == "JPEG":
        return data + END_OF_JPEG, 1.0
    return _completed_png(data) if plugin == "PNG" else None


def rows_shown(image: Image.Image) -> float:
    """The share of rows above the part without detail with which a decoder fills up a JPEG."""
    grey = np.asarray(image.convert("L"))
    differs = np.ptp(grey, axis=1) > 2
    rows = np.flatnonzero(differs)
    return (int(rows[-1]) + 1) / grey.shape[0] if len(rows) else 0.0


def _completed_png(data: bytes) -> tuple[bytes, float] | None:
    chunks = _chunks(data)
    header = next((body for kind, body in chunks if kind == b"IHDR"), b"")
    if len(header) != 13:
        return None
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    row = 1 + (width * depth * SAMPLES.get(colour, 4) + 7) // 8
    if interlaced or row * height > MAX_RAW:
        return None
    raw = _inflated(b"".join(body for kind, body in chunks if kind == b"IDAT"), row * height)
    whole = len(raw) // row * row
    packed = zlib.compress(raw[:whole] + bytes(row * height - whole), 1)
    parts = [
        (b"IHDR", header),
        *(chunk for chunk in chunks if chunk[0] in KEPT_CHUNKS),
        (b"IDAT", packed),
        (b"IEND", b""),
    ]
    return data[:8] + b"".join(_chunk(*part) for part in parts), whole / (row * height)


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """A PNG's chunks as far as they go; the last one may be cut off. Compressed texts and profiles are left out."""
    found, at = [], 8
    while at + 8 <= len(data):
        [length], kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        if kind in (b"IHDR", b"IDAT", *KEPT_CHUNKS):
            found.append((kind, data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _inflated(packed: bytes, most: int) -> bytes:
    """Inflates at most `most` bytes, as far as the stream is sound."""
    inflater, out = zlib.decompressobj(), bytearray()
    for start in range(0, len(packed), 4096):
        try:
            out += inflater.decompress(packed[start : start + 4096], most - len(out)) if len(out) < most else b""
        except zlib.error:
            break
    return bytes(out[:most])
