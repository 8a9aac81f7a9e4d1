"""The faces of a training set: numbered, labelled with their person, and decoded only when asked for."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from recognition.engine.align import Alignment
from recognition.engine.base import Crop, PhotoError
from recognition.engine.image import decode
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.records import FACE, MAGIC, RecordFile, RecordWriter, open_records, unpack_face

SIZE = 112
HEAD = 8 + FACE.size + 4  # bytes of a record up to its first label


class UnusableFace(Exception):
    """A face cannot be decoded. The message says which one and why."""


class Faces(Protocol):
    """labels: int32 (n,), the person of each face, from 0 to classes - 1. size: of the chips, px."""

    labels: np.ndarray
    classes: int
    size: int

    def chip(self, number: int) -> np.ndarray:
        """The aligned face, uint8 RGB (size, size, 3). May be called by several threads. Raises UnusableFace."""


class RecordFaces:
    """The faces of a train.rec; see records.py."""

    size = SIZE

    def __init__(self, records: RecordFile, keys: np.ndarray, labels: np.ndarray, classes: int):
        self._records, self._keys, self.labels, self.classes = records, keys, labels, classes

    def chip(self, number: int) -> np.ndarray:
        key = int(self._keys[number])
        try:
            _, image = unpack_face(self._records.read(key))
        except (struct.error, ValueError) as error:
            raise UnusableFace(f"record {key} holds no face ({error})") from error
        pixels = cv2.imdecode(np.frombuffer(image, "uint8"), cv2.IMREAD_COLOR) if image else None
        if pixels is None:
            raise UnusableFace(f"record {key} holds no image that can be decoded")
        if pixels.shape != (SIZE, SIZE, 3):
            raise UnusableFace(f"record {key} is {pixels.shape[1]}x{pixels.shape[0]} px, not {SIZE}x{SIZE}")
        return pixels[:, :, ::-1]


class MemoryFaces:
    """Chips held in memory: uint8 RGB (n, size, size, 3)."""

    def __init__(self, chips: np.ndarray, labels: Sequence[int]):
        self._chips, self.labels = chips, np.asarray(labels, "int32")
        self.classes, self.size = int(self.labels.max()) + 1, chips.shape[1]

    def chip(self, number: int) -> np.ndarray:
        return self._chips[number]


class CropFaces:
    """A gallery's stored crops, aligned when asked for."""

    def __init__(self, crops: Sequence[Crop], labels: Sequence[int], alignment: Alignment):
        self._crops, self._alignment = crops, alignment
        self.labels = np.asarray(labels, "int32")
        self.classes, self.size = int(self.labels.max()) + 1, alignment.chip_size

    def chip(self, number: int) -> np.ndarray:
        crop = self._crops[number]
        try:
            return self._alignment.chip(decode(crop.jpeg), crop.landmarks)
        except PhotoError as error:
            raise UnusableFace(f"crop {number} cannot be decoded ({error})") from error


class SomeFaces:
    """The faces of some of the people of a set. The people are renumbered from 0."""

    def __init__(self, faces: Faces, people: np.ndarray):
        """people: their labels in `faces`."""
        renumbered = np.full(faces.classes, -1, "int32")
        renumbered[people] = np.arange(len(people))
        self._faces, self._numbers = faces, np.flatnonzero(renumbered[faces.labels] >= 0)
        self.labels, self.classes, self.size = renumbered[faces.labels[self._numbers]], len(people), faces.size

    def chip(self, number: int) -> np.ndarray:
        return self._faces.chip(int(self._numbers[number]))


def split_people(faces: Faces, held_out: int, seed: int) -> tuple[SomeFaces, SomeFaces]:
    """The faces to train on, and those of `held_out` people drawn by the seed, who are kept apart. Raises TrainingError."""
    if faces.classes - held_out < 2:
        raise TrainingError(
            f"The set holds {faces.classes} people. Training needs at least two besides the {held_out} held out: lower "
            "--hold-out, or add people."
        )
    drawn = np.random.default_rng(seed).permutation(faces.classes)
    return SomeFaces(faces, np.sort(drawn[held_out:])), SomeFaces(faces, np.sort(drawn[:held_out]))


# --- InsightFace's folder: train.rec, train.idx, property ---
def read_records(folder: Path) -> RecordFaces:
    """Opens train.rec in `folder` and checks the label of every face against `property`. Raises TrainingError."""
    classes = _property(folder / "property")
    records = open_records(folder / "train.rec")
    keys = _face_keys(records)
    labels = np.array([_label(records, int(key)) for key in keys], "float64")
    wrong = np.flatnonzero((labels != np.floor(labels)) | (labels < 0) | (labels >= classes))
    if len(wrong):
        raise TrainingError(
            f"{folder / 'property'} says {classes} people, but record {keys[wrong[0]]} has the label "
            f"{labels[wrong[0]]:g}; labels are whole numbers from 0 to {classes - 1}. Are the two files of the same set?"
        )
    return RecordFaces(records, keys, labels.astype("int32"), classes)


def _property(path: Path) -> int:
    """The number of people, from the file `property`."""
    try:
        classes, height, width = (int(value) for value in path.read_text().strip().split(","))
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{path} should hold “people,{SIZE},{SIZE}”, such as 85742,{SIZE},{SIZE} ({error})."
        ) from error
    if (height, width) != (SIZE, SIZE) or classes < 1:
        raise TrainingError(
            f"{path} says {classes} people and faces of {width}x{height} px; the nets take {SIZE}x{SIZE} px."
        )
    return classes


def _face_keys(records: RecordFile) -> np.ndarray:
    """The keys of the faces, without those of the identities' records if record 0 says that there are some."""
    keys = np.array(sorted(records.offsets), "int64")
    if len(keys) and keys[0] == 0 and (labels := _header(records, 0)) is not None and len(labels) == 2:
        keys = keys[(keys > 0) & (keys < int(labels[0]))]
    if not len(keys):
        raise TrainingError(f"{records.path} holds no faces.")
    return keys


def _header(records: RecordFile, key: int) -> np.ndarray | None:
    """The labels of a record with a flag; None if it has no flag."""
    record = records.read(key)
    try:
        flag = FACE.unpack_from(record)[0]
        return unpack_face(record)[0] if flag else None
    except (struct.error, ValueError) as error:
        raise TrainingError(
            f"{records.path} is damaged: record {key} is not a face ({error}). Fetch it again."
        ) from error


def _label(records: RecordFile, key: int) -> float:
    """The person's number. Only the record's first bytes are read, because a set has millions of records."""
    head = records.head(key, HEAD)
    try:
        magic, _, flag, label, _, _, first = struct.unpack("<IIIfQQf", head.ljust(HEAD, b"\0"))
    except struct.error as error:
        raise TrainingError(f"{records.path} is damaged at record {key}. Fetch it again.") from error
    if magic != MAGIC:
        raise TrainingError(
            f"{records.path} does not fit its index: no record begins where record {key} should. Fetch both again."
        )
    return first if flag else label


def write_records(folder: Path, chips: Sequence[tuple[int, bytes]], people: int) -> None:
    """Writes train.rec, train.idx and property in InsightFace's layout. chips: (person, JPEG) each, ordered by person."""
    ranges: dict[int, list[int]] = {}
    with RecordWriter(folder / "train.rec") as writer:
        last = len(chips) + 1
        writer.write_face(0, [last, last + people], b"")
        for key, (person, jpeg) in enumerate(chips, 1):
            ranges.setdefault(person, [key, key])[1] = key + 1
            writer.write_face(key, [person], jpeg)
        for person in range(people):
            writer.write_face(last + person, ranges.get(person, [0, 0]), b"")
    (folder / "property").write_text(f"{people},{SIZE},{SIZE}\n")
