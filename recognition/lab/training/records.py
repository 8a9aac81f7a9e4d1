"""RecordIO as InsightFace's training sets have it: train.rec, train.idx, property. Read and written without MXNet.

A record: uint32 magic, uint32 whose upper three bits tell a part (0 whole, 1 first, 2 middle, 3 last) and whose lower 29
its length, the bytes, padding to four. Bytes that hold the magic at a multiple of four are cut there, and the magic left
out (dmlc-core, recordio.h). The bytes of a face: uint32 flag, float32 label, uint64 id, uint64 id2; `flag` float32
labels where it is above 0; then a JPEG (mxnet, recordio.py, IRHeader).
train.idx: lines of KEY, tab, offset. Where record 0 has a flag, its two labels say where the faces end and the
identities' records, whose labels are the range of their faces, end. property: “classes,height,width”.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from recognition.lab.training.errors import TrainingError

MAGIC = 0xCED7230A
MAGIC_BYTES = struct.pack("<I", MAGIC)
FACE = struct.Struct("<IfQQ")
LONGEST = (1 << 29) - 1


class RecordFile:
    """An open .rec with its .idx. Threads may share it. `offsets`: key → where in the file."""

    def __init__(self, path: Path, offsets: dict[int, int]):
        self.path, self.offsets = path, offsets
        self._file = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._file).st_size

    def __del__(self):
        if file := getattr(self, "_file", None):
            os.close(file)

    def read(self, key: int) -> bytes:
        """Raises TrainingError where the file is not whole there."""
        return self.read_at(self.offsets[key])[0]

    def head(self, key: int, count: int) -> bytes:
        """The first bytes from a record's magic on, as they lie in the file; fewer where it ends."""
        return os.pread(self._file, count, self.offsets[key])

    def read_at(self, offset: int) -> tuple[bytes, int]:
        """The record that begins at `offset`, and where the next one begins."""
        parts, kind = [], None
        while kind not in (0, 3):
            if kind is not None:
                parts.append(MAGIC_BYTES)
            magic, word = struct.unpack("<II", self._bytes(8, offset))
            kind, length = word >> 29, word & LONGEST
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
    """A .rec with the .idx beside it, or, where there is none, with what reading it through finds. Raises TrainingError."""
    index = path.with_suffix(".idx")
    if not path.is_file():
        raise TrainingError(f"There is no file {path}.")
    if not index.is_file():
        return _indexed(path)
    records = RecordFile(path, _read_index(index))
    if records.offsets:
        records.read_at(max(records.offsets.values()))  # tells at once where the file is cut off
    return records


def _indexed(path: Path) -> RecordFile:
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
        raise TrainingError(f"{path} is no index: each line is a key, a tab and an offset. Fetch it again.") from error


def unpack_face(record: bytes) -> tuple[np.ndarray, bytes]:
    """The labels (one, or as many as the flag says) and the image's file. Raises struct.error, ValueError."""
    flag, label, _, _ = FACE.unpack_from(record)
    if not flag:
        return np.array([label], "float32"), record[FACE.size :]
    labels = np.frombuffer(record, "<f4", flag, FACE.size)
    return labels, record[FACE.size + 4 * flag :]


class RecordWriter:
    """Writes NAME.rec and NAME.idx. A context manager; what is written is on the disk when it ends."""

    def __init__(self, path: Path):
        self._records, self._index = path.open("wb"), path.with_suffix(".idx").open("w")

    def __enter__(self) -> "RecordWriter":
        return self

    def __exit__(self, *error) -> None:
        for file in (self._records, self._index):
            file.flush()
            os.fsync(file.fileno())
            file.close()

    def write_face(self, key: int, labels: list[float], image: bytes, *, flagged: bool = False) -> None:
        """flagged: the labels stand behind the header, as with several of them they must."""
        flag = len(labels) if flagged or len(labels) > 1 else 0
        head = FACE.pack(flag, 0.0 if flag else labels[0], key, 0)
        self.write(key, head + (np.array(labels, "<f4").tobytes() if flag else b"") + image)

    def write(self, key: int, data: bytes) -> None:
        self._index.write(f"{key}\t{self._records.tell()}\n")
        parts = list(_parts(data))
        for number, part in enumerate(parts):
            kind = 0 if len(parts) == 1 else 1 if number == 0 else 3 if number == len(parts) - 1 else 2
            self._records.write(struct.pack("<II", MAGIC, kind << 29 | len(part)) + part + b"\0" * (-len(part) % 4))


def _parts(data: bytes) -> Iterator[bytes]:
    """`data` cut where the magic stands at a multiple of four bytes, without it."""
    begin, found = 0, data.find(MAGIC_BYTES)
    while found >= 0:
        if found % 4 == 0:
            yield data[begin:found]
            begin = found + 4
        found = data.find(MAGIC_BYTES, found + (4 if found % 4 == 0 else 1))
    yield data[begin:]
