"""Verification sets: pairs of images, and whether each pair shows one person.

Three formats are read: InsightFace's .bin (a pickle of JPEGs and a list of booleans), a CSV with the columns a, b, same, and
LFW's pairs.txt with a folder of photos. An image is only read when it is asked for. An image in several pairs is kept once.
"""

import csv
import hashlib
import mmap
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from recognition.lab.evaluation.unpickle import Array, Data, PickleRefused, Span, bytes_at, read_pickle

COLUMNS = ("a", "b", "same")
SAME = {"1": True, "true": True, "0": False, "false": False}
MOST_PAIRS = 10_000_000  # of a .bin
LARGEST_IMAGE = 64 * 1024 * 1024


class SetError(Exception):
    """A set cannot be read or made. The message says why and what to do."""


class Images(Protocol):
    """The distinct images of a set, in the order in which its pairs first name them."""

    def __len__(self) -> int: ...

    def label(self, number: int) -> str:
        """The image's name, for people."""

    def read(self, number: int) -> bytes | np.ndarray:
        """The image's file as bytes, or its pixels, uint8 RGB (h, w, 3). Raises OSError."""


@dataclass(frozen=True, slots=True)
class VerificationSet:
    """Pairs of images. Pair i is the images with the numbers first[i] and second[i].

    aligned: the images are 112 px crops aligned by ArcFace's template, not photos. sha256: of the set's file.
    first, second: int32 (n,). same: bool (n,), whether the pair shows one person.
    """

    name: str
    sha256: str
    aligned: bool
    images: Images
    first: np.ndarray
    second: np.ndarray
    same: np.ndarray

    def __len__(self) -> int:
        return len(self.same)


def read_set(path: Path, *, photos: Path | None = None, aligned: bool | None = None) -> VerificationSet:
    """Reads a set in the format that the name's suffix says: .bin, .csv, or .txt for LFW's pairs.

    photos: the folder that a list's paths start from; by default the list's own. aligned: the images of a list are crops
    already; a .bin always holds crops. Raises SetError.
    """
    suffix = path.suffix.lower()
    lists = {".csv": read_pairs_csv, ".txt": read_lfw_pairs}
    try:
        if suffix == ".bin":
            return read_bin(path)
        if suffix in lists:
            return lists[suffix](path, photos or path.parent, aligned=bool(aligned))
    except FileNotFoundError as error:
        raise SetError(f"There is no set {path}.") from error
    except OSError as error:
        raise SetError(f"{path} cannot be read: {error.strerror}.") from error
    raise SetError(f"{path} is not a set. Give a .bin, a .csv (columns a, b, same), or a .txt like LFW's pairs.txt.")


# --- InsightFace's .bin -----------------------------------------------------------------------------------------------
class BinImages:
    """The images of a memory-mapped .bin.

    spans: where each image is. shapes: (h, w, 3) of those that are pixels, by number. positions: in the file's list.
    """

    def __init__(self, data: Data, spans: list[Span], shapes: dict[int, tuple[int, ...]], positions: Sequence[int]):
        self._data, self._shapes, self._positions = data, shapes, positions
        self._starts = np.array([span.start for span in spans], "int64")
        self._ends = np.array([span.end for span in spans], "int64")
        self._latin = np.array([span.latin for span in spans], bool)

    def __len__(self) -> int:
        return len(self._starts)

    def label(self, number: int) -> str:
        return f"image {self._positions[number]}"

    def read(self, number: int) -> bytes | np.ndarray:
        span = Span(int(self._starts[number]), int(self._ends[number]), latin=bool(self._latin[number]))
        content = bytes_at(self._data, span)
        shape = self._shapes.get(number)
        return np.frombuffer(content, "uint8").reshape(shape) if shape else content


def read_bin(path: Path) -> VerificationSet:
    """Reads a pickle of (images, same) with two images for each pair.

    An image is a file, as bytes or a uint8 array, or pixels, uint8 RGB (h, w, 3). Raises SetError.
    """
    with path.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise SetError(f"{path} is empty.") from error
    try:
        content = _sequence(read_pickle(data))
        if content is None or len(content) != 2 or (items := _sequence(content[0])) is None:
            raise PickleRefused("it is not a pair of images and flags")
        if len(items) > 2 * MOST_PAIRS:
            raise PickleRefused(f"it holds more than {MOST_PAIRS} pairs")
        same = _flags(data, content[1])
        images, numbers = _distinct_images(data, items)
    except PickleRefused as error:
        raise SetError(f"{path} cannot be used: {error}. Fetch it again from its publisher.") from error
    if len(numbers) != 2 * len(same) or not len(same):
        raise SetError(
            f"{path} is damaged: it has {len(numbers)} images for {len(same)} pairs, instead of two for each."
        )
    return VerificationSet(path.stem, _sha256(path), True, images, numbers[0::2], numbers[1::2], same)


def _sequence(value: object) -> Sequence[object] | None:
    """A list or tuple of the file; None for anything else. A Span, too, is a tuple in Python, but not in the file."""
    return value if isinstance(value, list | tuple) and not isinstance(value, Span) else None


def _flags(data: Data, values: object) -> np.ndarray:
    if isinstance(values, Array):
        kind = {"b1": "uint8"}.get(values.dtype, values.dtype)
        return np.frombuffer(bytes_at(data, values.elements), kind).reshape(-1) != 0
    flags = _sequence(values)
    if flags is None or not all(flag in (0, 1) and isinstance(flag, int) for flag in flags):
        raise PickleRefused("its flags are not booleans")
    return np.array(flags, bool)


def _distinct_images(data: Data, items: Sequence[object]) -> tuple[BinImages, np.ndarray]:
    """The images without duplicates, and the number of the image at each position.

    Positions are first grouped by place in the file, since pickle stores a repeated object once. So each byte is hashed at
    most once.
    """
    starts = np.fromiter((_image_span(item)[0].start for item in items), "int64", len(items))
    places, order, which = _first_seen(starts)
    known: dict[bytes, int] = {}
    spans: list[Span] = []
    shapes: dict[int, tuple[int, ...]] = {}
    positions = array("q")
    number_of_place = np.empty(len(places), "int32")
    for place in order:
        span, shape = _image_span(items[places[place]])
        with memoryview(data) as view:
            digest = hashlib.blake2b(view[span.start : span.end], digest_size=16).digest()
        number = number_of_place[place] = known.setdefault(digest, len(spans))
        if number == len(spans):
            spans.append(span)
            positions.append(places[place])
            if shape:
                shapes[number] = shape
    return BinImages(data, spans, shapes, positions), number_of_place[which]


def _first_seen(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each distinct value occurs first, the order of these places, and which distinct value each position has."""
    _, first, which = np.unique(values, return_index=True, return_inverse=True)
    return first, np.argsort(first), which


def _image_span(item: object) -> tuple[Span, tuple[int, ...] | None]:
    """Where an image is, and its shape if it is pixels."""
    if isinstance(item, Span) and (item.latin or not item.text):
        return item, None
    if not isinstance(item, Array) or item.dtype != "u1":
        raise PickleRefused("one of its images is neither bytes nor an array of uint8")
    if len(item.shape) < 3:
        return item.elements, None
    if item.shape[2] != 3 or min(item.shape) < 1:
        raise PickleRefused(f"one of its images has the shape {item.shape}")
    return item.elements, item.shape


# --- Lists of photos --------------------------------------------------------------------------------------------------
class PhotoFiles:
    """Photos on disk, named by their paths below `folder`."""

    def __init__(self, folder: Path, paths: list[str]):
        self.folder, self._paths = folder, paths

    def __len__(self) -> int:
        return len(self._paths)

    def label(self, number: int) -> str:
        return self._paths[number]

    def read(self, number: int) -> bytes:
        with (self.folder / self._paths[number]).open("rb") as file:
            return file.read(LARGEST_IMAGE)


Pair = tuple[str, str, bool]


def read_pairs_csv(path: Path, photos: Path, *, aligned: bool = False) -> VerificationSet:
    """Reads a CSV with the columns a and b, paths of images, and same, 1 or 0. Raises SetError, which names the line."""
    return _listed(path, photos, _csv_pairs(path), aligned)


def read_lfw_pairs(path: Path, photos: Path, *, aligned: bool = False) -> VerificationSet:
    """Reads LFW's pairs.txt: lines NAME 1 2, or NAME 1 OTHER 3, for photos/NAME/NAME_0001.jpg.

    Raises SetError, which names the line.
    """
    return _listed(path, photos, _lfw_pairs(path), aligned)


def _listed(path: Path, photos: Path, pairs: Iterator[Pair], aligned: bool) -> VerificationSet:
    known: dict[str, int] = {}
    first, second, same = array("i"), array("i"), bytearray()
    for a, b, flag in pairs:
        first.append(known.setdefault(a, len(known)))
        second.append(known.setdefault(b, len(known)))
        same.append(flag)
    if not same:
        raise SetError(f"{path} lists no pairs.")
    images = PhotoFiles(photos, list(known))
    numbers = (np.array(first, "int32"), np.array(second, "int32"))
    return VerificationSet(path.stem, _sha256(path), aligned, images, *numbers, np.array(same, bool))


def _csv_pairs(path: Path) -> Iterator[Pair]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        try:
            head = [name.strip() for name in next(rows, [])]
            if missing := set(COLUMNS) - set(head):
                raise SetError(f"{path} lacks the columns {', '.join(sorted(missing))}. It needs {', '.join(COLUMNS)}.")
            at_a, at_b, at_same = (head.index(name) for name in COLUMNS)
            for row in rows:
                if not row:
                    continue
                cells = row if len(row) >= len(head) else row + [""] * len(head)
                a, b, same = cells[at_a].strip(), cells[at_b].strip(), SAME.get(cells[at_same].strip().lower())
                if not a or not b or same is None:
                    raise SetError(f"{path}, line {rows.line_num}: a and b must be paths, and same 1 or 0.")
                yield a, b, same
        except (csv.Error, UnicodeDecodeError) as error:
            raise SetError(f"{path} is not a CSV in UTF-8, from line {rows.line_num + 1} on: {error}.") from error


def _lfw_pairs(path: Path) -> Iterator[Pair]:
    with path.open(encoding="utf-8") as file:
        try:
            for number, line in enumerate(file, 1):
                words = line.split("\t") if "\t" in line else line.split()
                words = [word.strip() for word in words]
                if number == 1 and all(word.isdigit() for word in words):
                    continue  # the numbers of folds and pairs
                if not words:
                    continue
                if (pair := _lfw_pair(words)) is None:
                    raise SetError(f"{path}, line {number}: it must be NAME 1 2, or NAME 1 OTHER 3.")
                yield pair
        except UnicodeDecodeError as error:
            raise SetError(f"{path} is not text in UTF-8.") from error


def _lfw_pair(words: list[str]) -> Pair | None:
    if len(words) == 3 and words[1].isdigit() and words[2].isdigit():
        return _lfw_photo(*words[:2]), _lfw_photo(words[0], words[2]), True
    if len(words) == 4 and words[1].isdigit() and words[3].isdigit():
        return _lfw_photo(*words[:2]), _lfw_photo(*words[2:]), False
    return None


def _lfw_photo(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
