"""Real people before a made-up camera: ORL portraits, worse than they are, that move over a real background."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from recognition.engine.base import Face
from recognition.engine.pipeline import Pipeline

PEOPLE, TOGETHER, FRAMES = 40, 4, 8
WIDTH, HEIGHT, LANE = 640, 360, 160  # px; each of those together keeps to a lane
ENROLLED_PHOTO, FIRST_PHOTO = 1, 2


@dataclass(frozen=True)
class Passing:
    """Some people who pass together. frames: the faces in each."""

    people: list[int]
    frames: list[list[Face]]

    def person_at(self, x: float) -> int:
        return self.people[int(x // LANE)]


def portrait(orl: Path, person: int, photo: int) -> np.ndarray:
    return cv2.imread(str(orl / f"s{person}" / f"{photo}.pgm"))


def enrol(pipeline: Pipeline, orl: Path, people: range) -> dict[int, np.ndarray]:
    """A vector each, of one photo."""
    photos = [_jpeg(portrait(orl, person, ENROLLED_PHOTO), 95) for person in people]
    found = pipeline.analyse(photos, purposes=["enrol"] * len(photos))
    return {person: analysis.faces[0].embedding for person, analysis in zip(people, found, strict=True)}


def pass_by(pipeline: Pipeline, orl: Path, background: np.ndarray) -> Iterator[Passing]:
    """background: uint8 BGR."""
    random = np.random.default_rng(7)
    order = random.permutation(np.arange(1, PEOPLE + 1)).tolist()
    for start in range(0, PEOPLE, TOGETHER):
        people = order[start : start + TOGETHER]
        photos = [_jpeg(_frame(orl, people, number, background, random), 70) for number in range(FRAMES)]
        found = pipeline.analyse(photos, purposes=["probe"] * FRAMES)
        yield Passing(people, [list(analysis.faces) for analysis in found])


def _frame(orl: Path, people: list[int], number: int, background: np.ndarray, random) -> np.ndarray:
    frame = background.copy()
    for lane, person in enumerate(people):
        face = _worse(portrait(orl, person, FIRST_PHOTO + number), random)
        x, y = LANE * lane + 10 + 5 * number, 30 + 25 * number
        frame[y : y + len(face), x : x + face.shape[1]] = face
    return frame


def _worse(face: np.ndarray, random) -> np.ndarray:
    """Smaller, blurred, darker or lighter, and with noise."""
    scale = random.uniform(0.75, 1.05)
    face = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    face = cv2.GaussianBlur(face, (0, 0), random.uniform(0.5, 1.6)) * random.uniform(0.5, 1.25)
    return (face + random.normal(0, 8, face.shape)).clip(0, 255).astype("uint8")


def _jpeg(image: np.ndarray, quality: int) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
