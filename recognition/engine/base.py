"""What the engine takes and returns, as plain values. Imports numpy alone.

All coordinates are px of the photo with its EXIF orientation applied, whichever way the engine turned it to find faces.
Landmarks are five points: left eye, right eye, nose, left and right corner of the mouth; left and right as in the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

Purpose = Literal["probe", "enrol"]


class PhotoError(Exception):
    """A photo cannot be used. code: invalid_image or image_too_large. message: says why and what to do."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Box:
    x: float
    y: float
    width: float
    height: float

    def as_list(self) -> list[float]:
        return [round(float(value), 2) for value in (self.x, self.y, self.width, self.height)]


@dataclass(frozen=True, slots=True)
class Quality:
    """How suitable a face is for recognition.

    score: 0–1. measures: the numbers behind it. reasons: codes of what is poor; empty for a good face. usable: False if
    the face is so poor that a comparison would be a guess.
    """

    score: float
    measures: dict[str, float]
    reasons: tuple[str, ...]
    usable: bool


@dataclass(frozen=True, slots=True)
class Crop:
    """An upright face with a margin, as JPEG. landmarks: float32 (5, 2), px of the crop."""

    jpeg: bytes
    width: int
    height: int
    landmarks: np.ndarray


@dataclass(frozen=True, slots=True)
class Detection:
    """A face as the detector found it. landmarks: float32 (5, 2). score: 0–1."""

    box: Box
    landmarks: np.ndarray
    score: float


@dataclass(frozen=True, slots=True)
class Face:
    """embedding: float32 (dim,); smaller L2 distances mean more alike, whatever the pack's metric. liveness: how likely it is a
    person and no picture, 0–1; None if nobody asked, or the nets for it are missing."""

    box: Box
    landmarks: np.ndarray
    detection_score: float
    quality: Quality
    crop: Crop
    embedding: np.ndarray
    liveness: float | None = None


@dataclass(frozen=True, slots=True)
class PhotoAnalysis:
    """The faces of a photo, largest first.

    rotation: degrees, counter-clockwise, by which the photo had to be turned for its faces to stand upright. timings_ms:
    of decode, detect and embed, for the whole batch if several photos were analysed together. warnings: what is wrong with
    the file although it was read: "truncated".
    """

    width: int
    height: int
    rotation: int
    faces: tuple[Face, ...]
    timings_ms: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Detector(Protocol):
    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        """Returns the faces of each image, largest first. images: uint8 RGB (h, w, 3), of any sizes."""

    def quarter_turns(self, image: np.ndarray, faces: Sequence[Detection]) -> int:
        """Returns how many quarter turns, counter-clockwise, would make `faces` stand upright; 0–3."""


class Embedder(Protocol):
    dim: int

    def embed(self, image_landmarks: Sequence[tuple[np.ndarray, np.ndarray]], purpose: Purpose) -> np.ndarray:
        """Embeds each (image, landmarks); float32 (n, dim)."""

    def embed_chips(self, chips: Sequence[np.ndarray]) -> np.ndarray:
        """Runs the net once for each aligned chip, uint8 RGB, and returns its output as it is; float32 (n, dim)."""
