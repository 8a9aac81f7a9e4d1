"""Reads the directories of a TIFF, and of the raw files that are built like one, as far as they tell what is in the file.

Everything is bounded: a file may claim any number of directories, entries and values.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from recognition.engine import jpeg
from recognition.engine.formats import RAWS

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIPS, ORIENTATION, SAMPLES, STRIP_BYTES, SUB_DIRECTORIES = 273, 274, 277, 279, 330
EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_AT, JPEG_BYTES = 338, 339, 513, 514
PANASONIC_JPEG, DNG_VERSION = 46, 50706
RGB, COLOUR_FILTER, LOG_LUV, LINEAR_RAW = 2, 32803, 32845, 34892
RAW_COMPRESSIONS = {32767, 32769, 32770, 34713, 65000, 65535}  # of Sony, Epson, Samsung, Nikon, Kodak and Pentax
MAX_DIRECTORIES, MAX_ENTRIES, MAX_VALUES = 32, 512, 16
SIZES = {1: 1, 3: 2, 4: 4, 7: 1, 13: 4}  # bytes of a value of each type that is read
LEAST_PREVIEW = 640  # px; the long side of a preview that stands for the photo. Thumbnails have 120 to 320.
JPEG_BEGINS = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Directory:
    """values: tag → its first numbers. places: tag → where its bytes lie (offset, length)."""

    values: dict[int, tuple[int, ...]] = field(default_factory=dict)
    places: dict[int, tuple[int, int]] = field(default_factory=dict)

    def first(self, tag: int, otherwise: int = 0) -> int:
        return self.values.get(tag, (otherwise,))[0]


def directories(data: bytes) -> list[Directory]:
    """The directories of a classic TIFF, each with its subdirectories after it; empty if it is none."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return []
    found: list[Directory] = []
    waiting, seen = [struct.unpack(order + "I", data[4:8])[0]], set()
    while waiting and len(found) < MAX_DIRECTORIES:
        at = waiting.pop(0)
        if at in seen or not 8 <= at <= len(data) - 2:
            continue
        seen.add(at)
        directory, following = _directory(data, at, order)
        found.append(directory)
        waiting = [*directory.values.get(SUB_DIRECTORIES, ()), *waiting, following]
    return found


def _directory(data: bytes, at: int, order: str) -> tuple[Directory, int]:
    [count] = struct.unpack(order + "H", data[at : at + 2])
    directory = Directory()
    for number in range(min(count, MAX_ENTRIES)):
        entry = data[at + 2 + 12 * number :][:12]
        if len(entry) == 12:
            _read_entry(data, entry, order, directory)
    following = data[at + 2 + 12 * count :][:4]
    return directory, struct.unpack(order + "I", following)[0] if len(following) == 4 else 0


def _read_entry(data: bytes, entry: bytes, order: str, directory: Directory) -> None:
    tag, kind, count = struct.unpack(order + "HHI", entry[:8])
    size = SIZES.get(kind)
    if size is None or not count:
        return
    if count * size > 4:
        [offset] = struct.unpack(order + "I", entry[8:])
        directory.places[tag] = (offset, count * size)
        part = data[offset : offset + min(count, MAX_VALUES) * size]
    else:
        part = entry[8 : 8 + count * size]
    if part and len(part) % size == 0:
        directory.values[tag] = struct.unpack(f"{order}{len(part) // size}{'BHI'[size // 2]}", part)


def is_raw(data: bytes, found: list[Directory]) -> bool:
    """Whether the file holds what a camera's sensor saw, not a picture."""
    return data.startswith(RAWS) or data[8:10] == b"CR" or any(_is_raw(directory) for directory in found)


def _is_raw(directory: Directory) -> bool:
    sensor = directory.first(PHOTOMETRIC) in (COLOUR_FILTER, LINEAR_RAW)
    return sensor or DNG_VERSION in directory.values or directory.first(COMPRESSION) in RAW_COMPRESSIONS


@dataclass(frozen=True, slots=True)
class Preview:
    """A JPEG within a raw file. orientation: EXIF's, as the raw file gives it."""

    jpeg: bytes
    orientation: int


def preview(data: bytes, found: list[Directory]) -> Preview | None:
    """The largest JPEG in a raw file that shows the photo; None if there is only a thumbnail, or nothing."""
    best, area = None, 0
    for offset, length in _places(data, found):
        part = memoryview(data)[offset : offset + length]
        if bytes(part[:3]) != JPEG_BEGINS:
            continue
        layout = jpeg.layout(part)
        if layout is None or not layout.is_decodable or max(layout.width, layout.height) < LEAST_PREVIEW:
            continue
        if layout.width * layout.height > area:
            best, area = part, layout.width * layout.height
    if best is None:
        return None
    orientations = (directory.first(ORIENTATION) for directory in found)
    return Preview(bytes(best), next((value for value in orientations if 1 <= value <= 8), 1))


def _places(data: bytes, found: list[Directory]) -> Iterator[tuple[int, int]]:
    """Where JPEGs may lie: offset and length."""
    if data.startswith(b"FUJIFILM") and len(data) >= 92:
        yield struct.unpack(">II", data[84:92])
    for directory in found:
        if directory.first(JPEG_AT):
            yield directory.first(JPEG_AT), directory.first(JPEG_BYTES)
        if len(directory.values.get(STRIPS, ())) == 1:
            yield directory.first(STRIPS), directory.first(STRIP_BYTES)
        if PANASONIC_JPEG in directory.places:
            yield directory.places[PANASONIC_JPEG]
