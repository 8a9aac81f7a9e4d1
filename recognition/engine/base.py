"""What the engine takes and gives, as plain values. numpy alone.

All coordinates are px of the upright photo: EXIF orientation applied, before any turn of ours. Landmarks are five
points: left eye, right eye, nose, left and right corner of the mouth, left and right as seen in the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

Purpose = Literal["probe", "enrol"]


class PhotoError(Exception):
    """A photo that cannot be used. code: invalid_image or image_too_large; message: a sentence that says what to do."""

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
    """score: 0–1. measures: numbers behind it. reasons: why it is poor, as reason codes; empty where it is good.

    usable: False where the face is so poor that comparing it would be a guess.
    """

    score: float
    measures: dict[str, float]
    reasons: tuple[str, ...]
    usable: bool


@dataclass(frozen=True, slots=True)
class Crop:
    """A face with a margin, upright, as JPEG; landmarks float32 (5, 2) in its px."""

    jpeg: bytes
    width: int
    height: int
    landmarks: np.ndarray


@dataclass(frozen=True, slots=True)
class Detection:
    """landmarks: float32 (5, 2). score: 0–1."""

    box: Box
    landmarks: np.ndarray
    score: float


@dataclass(frozen=True, slots=True)
class Face:
    """embedding: float32 (dim,), in the pack's metric, ordered by L2."""

    box: Box
    landmarks: np.ndarray
    detection_score: float
    quality: Quality
    crop: Crop
    embedding: np.ndarray


@dataclass(frozen=True, slots=True)
class PhotoAnalysis:
    """rotation: degrees (counter-clockwise) by which the photo had to be turned for its faces to stand upright.

    faces: largest first. timings_ms: decode, detect, embed; of the whole batch where several photos went together.
    """

    width: int
    height: int
    rotation: int
    faces: tuple[Face, ...]
    timings_ms: dict[str, float] = field(default_factory=dict)


class Detector(Protocol):
    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        """images: uint8 RGB (h, w, 3), of any sizes. Returns the faces of each, largest first."""

    def quarter_turns(self, image: np.ndarray, faces: Sequence[Detection]) -> int:
        """By how many quarter turns, counter-clockwise, the image has to be turned for `faces` to stand upright; 0–3."""


class Embedder(Protocol):
    dim: int

    def embed(self, image_landmarks: Sequence[tuple[np.ndarray, np.ndarray]], purpose: Purpose) -> np.ndarray:
        """Embeds each (image, landmarks); float32 (n, dim)."""

    def embed_chips(self, chips: Sequence[np.ndarray]) -> np.ndarray:
        """chips: uint8 RGB, aligned for the pack. What the net itself gives for each; float32 (n, dim)."""
