"""Training faces: numbered, labelled with their person, decoded when asked for."""

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
HEAD = 8 + FACE.size + 4


class UnusableFace(Exception):
    """One face cannot be decoded. The message says which and why."""


class Faces(Protocol):
    """labels: int32 (n,), the person of each face, 0 to classes - 1. size: of the chips, px."""

    labels: np.ndarray
    classes: int
    size: int

    def chip(self, number: int) -> np.ndarray:
        """Aligned, uint8 RGB (size, size, 3). Threads may ask. Raises UnusableFace."""


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
        found = cv2.imdecode(np.frombuffer(image, "uint8"), cv2.IMREAD_COLOR) if image else None
        if found is None:
            raise UnusableFace(f"record {key} holds no image that can be decoded")
        if found.shape != (SIZE, SIZE, 3):
            raise UnusableFace(f"record {key} is {found.shape[1]}x{found.shape[0]} px, not {SIZE}x{SIZE}")
        return found[:, :, ::-1]


class MemoryFaces:
    """Chips held in memory: uint8 RGB (n, size, size, 3)."""

    def __init__(self, chips: np.ndarray, labels: Sequence[int]):
        self._chips, self.labels = chips, np.asarray(labels, "int32")
        self.classes, self.size = int(self.labels.max()) + 1, chips.shape[1]

    def chip(self, number: int) -> np.ndarray:
        return self._chips[number]


class CropFaces:
    """A gallery's kept crops, aligned when asked for."""

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
    """The faces of some people out of more, who are numbered anew."""

    def __init__(self, faces: Faces, people: np.ndarray):
        """people: the labels, in `faces`, of who is in this one."""
        renumbered = np.full(faces.classes, -1, "int32")
        renumbered[people] = np.arange(len(people))
        self._faces, self._numbers = faces, np.flatnonzero(renumbered[faces.labels] >= 0)
        self.labels, self.classes, self.size = renumbered[faces.labels[self._numbers]], len(people), faces.size

    def chip(self, number: int) -> np.ndarray:
        return self._faces.chip(int(self._numbers[number]))


def split_people(faces: Faces, held_out: int, seed: int) -> tuple[SomeFaces, SomeFaces]:
    """Those to train on, and `held_out` of them, drawn by the seed, who are kept apart. Raises TrainingError."""
    if faces.classes - held_out < 2:
        raise TrainingError(
            f"The set holds {faces.classes} people. Training needs two and more besides the {held_out} held out: lower "
            "--hold-out, or give more people."
        )
    drawn = np.random.default_rng(seed).permutation(faces.classes)
    return SomeFaces(faces, np.sort(drawn[held_out:])), SomeFaces(faces, np.sort(drawn[:held_out]))


# --- InsightFace's folder: train.rec, train.idx, property ---
def read_records(folder: Path) -> RecordFaces:
    """Checks the labels of every face against `property`. Raises TrainingError."""
    classes = _property(folder / "property")
    records = open_records(folder / "train.rec")
    keys = _face_keys(records)
    labels = np.array([_label(records, int(key)) for key in keys], "float64")
    wrong = np.flatnonzero((labels != np.floor(labels)) | (labels < 0) | (labels >= classes))
    if len(wrong):
        raise TrainingError(
            f"{folder / 'property'} says {classes} people, but record {keys[wrong[0]]} has the label "
            f"{labels[wrong[0]]:g}; they are whole numbers from 0 to {classes - 1}. The two files are not of one set."
        )
    return RecordFaces(records, keys, labels.astype("int32"), classes)


def _property(path: Path) -> int:
    """How many people there are."""
    try:
        classes, height, width = (int(value) for value in path.read_text().strip().split(","))
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{path} should hold “people,{SIZE},{SIZE}”, such as 85742,{SIZE},{SIZE} ({error})."
        ) from error
    if (height, width) != (SIZE, SIZE) or classes < 1:
        raise TrainingError(f"{path} says {classes} people of {width}x{height} px; the nets take {SIZE}x{SIZE}.")
    return classes


def _face_keys(records: RecordFile) -> np.ndarray:
    """All but those of the identities' records, where record 0 says that there are such."""
    keys = np.array(sorted(records.offsets), "int64")
    if len(keys) and keys[0] == 0 and (labels := _header(records, 0)) is not None and len(labels) == 2:
        keys = keys[(keys > 0) & (keys < int(labels[0]))]
    if not len(keys):
        raise TrainingError(f"{records.path} holds no faces.")
    return keys


def _header(records: RecordFile, key: int) -> np.ndarray | None:
    """The labels of a record with a flag; None where there is none."""
    record = records.read(key)
    try:
        flag = FACE.unpack_from(record)[0]
        return unpack_face(record)[0] if flag else None
    except (struct.error, ValueError) as error:
        raise TrainingError(f"{records.path} is damaged: record {key} is no face ({error}). Fetch it again.") from error


def _label(records: RecordFile, key: int) -> float:
    """The person's number, from the first bytes alone: a set has millions of records."""
    head = records.head(key, HEAD)
    try:
        magic, _, flag, label, _, _, first = struct.unpack("<IIIfQQf", head.ljust(HEAD, b"\0"))
    except struct.error as error:
        raise TrainingError(f"{records.path} is damaged at record {key}. Fetch it again.") from error
    if magic != MAGIC:
        raise TrainingError(f"{records.path} does not fit its index: no record begins where {key} should.")
    return first if flag else label


def write_records(folder: Path, chips: Sequence[tuple[int, bytes]], people: int) -> None:
    """Writes train.rec, train.idx and property as InsightFace has them. chips: person and JPEG, ordered by person."""
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
