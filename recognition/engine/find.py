"""Finds the faces of a photo whichever way up they are: runs the detector, and tries again turned if it sees nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recognition.engine import tiles
from recognition.engine.base import Box, Detection, Detector

BORDER = 0.25  # of the photo's sides; in a tight crop, detectors see the face only with room around it


@dataclass(frozen=True, slots=True)
class UprightPhoto:
    """An image turned so that its faces stand upright, and these faces.

    rotation: degrees, counter-clockwise, by which it was turned. step: how many px of the photo one px of `image` is.
    """

    image: np.ndarray
    rotation: int
    faces: list[Detection]
    step: int = 1


class Finder:
    def __init__(self, detector: Detector):
        self.detector = detector

    def find(self, images: Sequence[np.ndarray]) -> list[UprightPhoto]:
        """Finds the faces of several images, uint8 RGB, together."""
        first = self._detect_all(images) if images else []
        return [
            self._upright(UprightPhoto(image, 0, faces)) if faces else self._look_again(image)
            for image, faces in zip(images, first, strict=True)
        ]

    def find_in_tiles(self, image: np.ndarray) -> UprightPhoto:
        """Looks for faces part by part, which finds smaller ones."""
        return self._upright(UprightPhoto(image, 0, tiles.detect(self.detector, image)))

    def _detect_all(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        """Runs the detector on the images, and on the parts of those that are panoramas."""
        found = self.detector.detect(images)
        return [
            tiles.merged([*faces, *tiles.detect(self.detector, image)]) if tiles.is_panorama(image) else faces
            for image, faces in zip(images, found, strict=True)
        ]

    def _look_again(self, image: np.ndarray) -> UprightPhoto:
        """Tries an image without faces with a border around it, then turned by 90, 180 and 270 degrees."""
        if faces := self._detect_with_border(image):
            return self._upright(UprightPhoto(image, 0, faces))
        for quarter in (1, 2, 3):
            turned = np.ascontiguousarray(np.rot90(image, quarter))
            if faces := self.detector.detect([turned])[0]:
                return self._upright(UprightPhoto(turned, 90 * quarter, faces))
        return UprightPhoto(image, 0, [])

    def _upright(self, photo: UprightPhoto) -> UprightPhoto:
        """Turns the image if its faces, though found, are sideways or upside down, and finds them again."""
        if photo.faces and (quarters := self.detector.quarter_turns(photo.image, photo.faces)):
            turned = np.ascontiguousarray(np.rot90(photo.image, quarters))
            if faces := self._detect_all([turned])[0]:
                return UprightPhoto(turned, (photo.rotation + 90 * quarters) % 360, faces)
        return photo

    def _detect_with_border(self, image: np.ndarray) -> list[Detection]:
        top, left = (int(side * BORDER) for side in image.shape[:2])
        wide = np.pad(image, ((top, top), (left, left), (0, 0)))
        return [
            Detection(
                Box(face.box.x - left, face.box.y - top, face.box.width, face.box.height),
                face.landmarks - np.array([left, top], "float32"),
                face.score,
            )
            for face in self.detector.detect([wide])[0]
        ]


def turn_back(box: Box, landmarks: np.ndarray, rotation: int, shape: Sequence[int]) -> tuple[Box, np.ndarray]:
    """Translates coordinates from an image turned counter-clockwise by `rotation` degrees to the image before the turn.

    shape: of the turned image. Landmarks keep their order: a left eye stays the left eye.
    """
    corners = np.array([[box.x, box.y], [box.x + box.width, box.y + box.height]])
    height, width = shape[:2]
    for _ in range(rotation // 90):
        corners, landmarks = (np.stack([height - p[:, 1], p[:, 0]], 1) for p in (corners, landmarks))
        height, width = width, height
    low, high = corners.min(0), corners.max(0)
    return Box(*low.tolist(), *(high - low).tolist()), landmarks.astype("float32")


def enlarged(face: Detection, factor: float) -> Detection:
    """Returns the face as it lies in an image `factor` times as large."""
    if factor == 1:
        return face
    box = face.box
    larger = Box(box.x * factor, box.y * factor, box.width * factor, box.height * factor)
    return replace(face, box=larger, landmarks=face.landmarks * np.float32(factor))


def in_full_photo(reduced: UprightPhoto, image: np.ndarray, *, step: int = 1) -> UprightPhoto:
    """Translates what was found in a reduced photo to `image`, the same photo decoded larger and not turned.

    reduced.step: how many px of `image` one px of the reduced photo is. step: how many px of the photo one of `image` is.
    """
    faces = []
    for face in reduced.faces:
        box, landmarks = turn_back(face.box, face.landmarks, reduced.rotation, reduced.image.shape)
        larger = enlarged(replace(face, box=box, landmarks=landmarks), reduced.step)
        box, landmarks = turn_back(larger.box, larger.landmarks, -reduced.rotation % 360, image.shape)
        faces.append(replace(face, box=box, landmarks=landmarks))
    return UprightPhoto(np.ascontiguousarray(np.rot90(image, reduced.rotation // 90)), reduced.rotation, faces, step)
