"""Reads and writes RecordIO as InsightFace's training sets use it (train.rec, train.idx, property), without MXNet.

A record is a uint32 magic; a uint32 with the kind of part in its upper three bits (0 whole, 1 first, 2 middle, 3 last) and
the length in its lower 29; the bytes; and padding to a multiple of four. Where the bytes contain the magic at a multiple of
four, they are split there, and the magic is left out (dmlc-core, recordio.h).
The bytes of a face: uint32 flag, float32 label, uint64 id, uint64 id2; if the flag is above 0, so many float32 labels; then
a JPEG (mxnet, recordio.py, IRHeader).
train.idx has lines of KEY, tab, offset. If record 0 has a flag, it has two labels: the first key after the faces, and the
first key after the identities' records, whose labels are the range of their faces' keys. property: “classes,height,width”.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from recognition.lab.training.errors import TrainingError

MAGIC = 0xCED7230A
MAGIC_BYTES = struct.pack("<I", MAGIC)
FACE = struct.Struct("<IfQQ")
MAX_LENGTH = (1 << 29) - 1


class RecordFile:
    """An open .rec with its .idx. Threads may share it. offsets: key → position in the file."""

    def __init__(self, path: Path, offsets: dict[int, int]):
        self.path, self.offsets = path, offsets
        self._file = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._file).st_size

    def __del__(self) -> None:
        if file := getattr(self, "_file", None):
            os.close(file)

    def read(self, key: int) -> bytes:
        """The bytes of a record. Raises TrainingError if the file is damaged there."""
        return self.read_at(self.offsets[key])[0]

    def head(self, key: int, count: int) -> bytes:
        """The first `count` bytes of a record as stored, from its magic on; fewer at the end of the file."""
        return os.pread(self._file, count, self.offsets[key])

    def read_at(self, offset: int) -> tuple[bytes, int]:
        """The record that begins at `offset`, and where the next one begins. Raises TrainingError."""
        parts: list[bytes] = []
        kind = None
        while kind not in (0, 3):
            if kind is not None:
                parts.append(MAGIC_BYTES)
            magic, word = struct.unpack("<II", self._bytes(8, offset))
            kind, length = word >> 29, word & MAX_LENGTH
            if magic != MAGIC or (kind in (0, 1)) != (not parts):
                raise TrainingError(f"{self.path} is damaged: no record begins at byte {offset}. Fetch it again.")
            parts.append(self._bytes(length, offset + 8))
            offset += 8 + length + -length % 4
        return b"".join(parts), offset

    def _bytes(self, count: int, offset: int) -> bytes:
        data = os.pread(self._file, count, offset)
        if len(data) != count:
            raise TrainingError(
                f"{self.path} is cut off: a record at byte {offset} needs {count} bytes, and the file ends at byte "
                f"{self.size}. Fetch it again."
            )
        return data


def open_records(path: Path) -> RecordFile:
    """Opens a .rec with the .idx beside it; without an .idx, the file is read through to find its records.

    Raises TrainingError.
    """
    index = path.with_suffix(".idx")
    if not path.is_file():
        raise TrainingError(f"There is no file {path}.")
    if not index.is_file():
        return _scan(path)
    records = RecordFile(path, _read_index(index))
    if records.offsets:
        records.read_at(max(records.offsets.values()))  # fails now, not hours later, if the file is cut off
    return records


def _scan(path: Path) -> RecordFile:
    records, offset = RecordFile(path, {}), 0
    while offset < records.size:
        records.offsets[len(records.offsets)] = offset
        offset = records.read_at(offset)[1]
    return records


def _read_index(path: Path) -> dict[int, int]:
    try:
        pairs = (line.split("\t") for line in path.read_text().splitlines() if line.strip())
        return {int(key): int(offset) for key, offset in pairs}
    except ValueError as error:
        raise TrainingError(
            f"{path} is not an index, whose lines are a key, a tab and an offset. Fetch it again."
        ) from error


def unpack_face(record: bytes) -> tuple[np.ndarray, bytes]:
    """A record's labels, float32 (one, or as many as the flag says), and its JPEG. Raises struct.error, ValueError."""
    flag, label, _, _ = FACE.unpack_from(record)
    if not flag:
        return np.array([label], "float32"), record[FACE.size :]
    labels = np.frombuffer(record, "<f4", flag, FACE.size)
    return labels, record[FACE.size + 4 * flag :]


class RecordWriter:
    """Writes NAME.rec and NAME.idx. A context manager; when it ends, everything is on disk."""

    def __init__(self, path: Path):
        self._records, self._index = path.open("wb"), path.with_suffix(".idx").open("w")

    def __enter__(self) -> "RecordWriter":
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._records, self._index):
            file.flush()
            os.fsync(file.fileno())
            file.close()

    def write_face(self, key: int, labels: Sequence[float], image: bytes, *, flagged: bool = False) -> None:
        """flagged: put the labels after the header, as is always done with several of them."""
        flag = len(labels) if flagged or len(labels) > 1 else 0
        head = FACE.pack(flag, 0.0 if flag else labels[0], key, 0)
        self.write(key, head + (np.array(labels, "<f4").tobytes() if flag else b"") + image)

    def write(self, key: int, data: bytes) -> None:
        """Writes a record's bytes."""
        self._index.write(f"{key}\t{self._records.tell()}\n")
        parts = list(_parts(data))
        for number, part in enumerate(parts):
            kind = 0 if len(parts) == 1 else 1 if number == 0 else 3 if number == len(parts) - 1 else 2
            self._records.write(struct.pack("<II", MAGIC, kind << 29 | len(part)) + part + b"\0" * (-len(part) % 4))


def _parts(data: bytes) -> Iterator[bytes]:
    """`data` split where the magic is at a multiple of four bytes, without the magic."""
    begin, found = 0, data.find(MAGIC_BYTES)
    while found >= 0:
        if found % 4 == 0:
            yield data[begin:found]
            begin = found + 4
        found = data.find(MAGIC_BYTES, found + (4 if found % 4 == 0 else 1))
    yield data[begin:]
