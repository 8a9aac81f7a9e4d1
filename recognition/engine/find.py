"""Finding the faces of a photo, whichever way up they are: the detector, and looking again where it saw nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recognition.engine.base import Box, Detection, Detector

BORDER = 0.25  # of the photo's sides; a tight crop shows a face only with room around it


@dataclass(frozen=True, slots=True)
class Found:
    """An image as its faces stand upright, turned counter-clockwise by `rotation` degrees for that, and the faces in it."""

    image: np.ndarray
    rotation: int
    faces: list[Detection]


class Finder:
    def __init__(self, detector: Detector):
        self.detector = detector

    def find(self, images: Sequence[np.ndarray]) -> list[Found]:
        """images: uint8 RGB, several together."""
        first = self.detector.detect(images) if images else []
        return [
            self._upright(Found(image, 0, faces)) if faces else self._look_again(image)
            for image, faces in zip(images, first, strict=True)
        ]

    def _look_again(self, image: np.ndarray) -> Found:
        """Nothing was found: with a border around it, then turned by 90, 180 and 270 degrees."""
        if faces := self._detect_with_border(image):
            return self._upright(Found(image, 0, faces))
        for quarter in (1, 2, 3):
            turned = np.ascontiguousarray(np.rot90(image, quarter))
            if faces := self.detector.detect([turned])[0]:
                return self._upright(Found(turned, 90 * quarter, faces))
        return Found(image, 0, [])

    def _upright(self, found: Found) -> Found:
        """Turns the image where its faces, though found, lie on their side or head, and finds them again."""
        quarters = self.detector.quarter_turns(found.image, found.faces)
        if quarters:
            turned = np.ascontiguousarray(np.rot90(found.image, quarters))
            if again := self.detector.detect([turned])[0]:
                return Found(turned, (found.rotation + 90 * quarters) % 360, again)
        return found

    def _detect_with_border(self, image: np.ndarray) -> list[Detection]:
        top, left = (int(side * BORDER) for side in image.shape[:2])
        wide = np.pad(image, ((top, top), (left, left), (0, 0)))
        return [
            Detection(
                Box(face.box.x - left, face.box.y - top, face.box.width, face.box.height),
                face.landmarks - np.float32([left, top]),
                face.score,
            )
            for face in self.detector.detect([wide])[0]
        ]


def turn_back(box: Box, landmarks: np.ndarray, rotation: int, shape: tuple[int, ...]) -> tuple[Box, np.ndarray]:
    """Coordinates in an image turned counter-clockwise by `rotation` degrees, as those of the image before.

    shape: of the turned image. Landmarks keep their names, which are the face's own.
    """
    corners = np.array([[box.x, box.y], [box.x + box.width, box.y + box.height]])
    height, width = shape[:2]
    for _ in range(rotation // 90):
        corners, landmarks = (np.stack([height - p[:, 1], p[:, 0]], 1) for p in (corners, landmarks))
        height, width = width, height
    low, high = corners.min(0), corners.max(0)
    return Box(*low.tolist(), *(high - low).tolist()), landmarks.astype("float32")


def enlarged(face: Detection, factor: float) -> Detection:
    """The face in an image `factor` times as large."""
    if factor == 1:
        return face
    box = face.box
    larger = Box(box.x * factor, box.y * factor, box.width * factor, box.height * factor)
    return replace(face, box=larger, landmarks=face.landmarks * np.float32(factor))


def in_finer_image(found: Found, image: np.ndarray, factor: int) -> Found:
    """What was found in a photo reduced by `factor`, in the whole `image`, neither of them turned."""
    faces = []
    for face in found.faces:
        box, landmarks = turn_back(face.box, face.landmarks, found.rotation, found.image.shape)
        upright = enlarged(replace(face, box=box, landmarks=landmarks), factor)
        box, landmarks = turn_back(upright.box, upright.landmarks, -found.rotation % 360, image.shape)
        faces.append(replace(face, box=box, landmarks=landmarks))
    return Found(np.ascontiguousarray(np.rot90(image, found.rotation // 90)), found.rotation, faces)
