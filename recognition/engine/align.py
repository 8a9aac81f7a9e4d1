"""Cuts a face out of a photo by its landmarks: as the aligned chip that a net sees, and as the margin crop that is kept."""

from dataclasses import dataclass

import cv2
import numpy as np

from recognition.engine.base import Box, Crop
from recognition.engine.image import encode_jpeg

# Where eyes and nose belong in the 150 px chip of dlib's ResNet. Fitting these three alone does better than fitting all five.
DLIB_TARGETS = np.array([[47.0, 44.8], [101.0, 44.8], [73.7, 78.8]], dtype="float64")
# Where eyes, nose and corners of the mouth belong in the 112 px chip of the ArcFace family, as InsightFace aligns it.
ARCFACE_TARGETS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    dtype="float64",
)


@dataclass(frozen=True, slots=True)
class Alignment:
    """How a kind of net wants its faces. chip_size: px. targets: (k, 2), where the first k landmarks belong, px of the chip."""

    chip_size: int
    targets: np.ndarray

    def matrix(self, landmarks: np.ndarray) -> np.ndarray:
        """The transform from the photo to the chip, for a face with these landmarks (5, 2); float64 (2, 3)."""
        return similarity(landmarks[: len(self.targets)].astype("float64"), self.targets)

    def chip(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Returns the aligned face, uint8 RGB (chip_size, chip_size, 3)."""
        return warp(image, self.matrix(landmarks), self.chip_size)


ALIGNMENTS = {"dlib-150": Alignment(150, DLIB_TARGETS), "arcface-112": Alignment(112, ARCFACE_TARGETS)}
CROP_MARGIN = 1.6
CROP_LONG_SIDE = 320


def similarity(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The rotation, scale and shift that brings `points` nearest to `targets`, both (n, 2); float64 (2, 3).

    Least squares in the complex plane: w = a z + b.
    """
    z = points[:, 0] + 1j * points[:, 1]
    w = targets[:, 0] + 1j * targets[:, 1]
    zc, wc = z - z.mean(), w - w.mean()
    a = (np.conj(zc) * wc).sum() / max((np.abs(zc) ** 2).sum(), 1e-12)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Transforms `image` by `matrix` (2, 3) into a chip of size x size px, uint8 RGB; black beyond the edge of the photo.

    A face far larger than the chip is first halved by averaging until it is at most twice too large, against aliasing.
    """
    image, matrix = _region(image, matrix, size)
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    while scale < 0.5 and min(image.shape[:2]) > 1:
        height, width = image.shape[0] // 2, image.shape[1] // 2
        image = cv2.resize(image[: height * 2, : width * 2], (width, height), interpolation=cv2.INTER_AREA)
        # Pixel centres: x = 2 x' + 0.5.
        matrix = np.hstack([matrix[:, :2] * 2, matrix[:, 2:] + matrix[:, :2].sum(1, keepdims=True) * 0.5])
        scale *= 2
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR)


def _region(image: np.ndarray, matrix: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts out the part of the photo that the chip covers, so that no time goes into halving the rest."""
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]], dtype="float64") @ inverse.T
    low = np.maximum(np.floor(corners.min(0)).astype(int) - 4, 0)
    high = np.minimum(np.ceil(corners.max(0)).astype(int) + 5, [image.shape[1], image.shape[0]])
    if (high - low < 1).any():
        return image[:1, :1] * 0, matrix
    part = image[low[1] : high[1], low[0] : high[0]]
    return part, np.hstack([matrix[:, :2], matrix[:, 2:] + matrix[:, :2] @ low[:, None]])


def margin_crop(image: np.ndarray, box: Box, landmarks: np.ndarray) -> Crop:
    """Returns the face with its surroundings: 1.6 times its box, cut at the photo's edge, long side at most 320 px."""
    half_width, half_height = box.width * CROP_MARGIN / 2, box.height * CROP_MARGIN / 2
    centre_x, centre_y = box.x + box.width / 2, box.y + box.height / 2
    left, top = max(int(centre_x - half_width), 0), max(int(centre_y - half_height), 0)
    right = max(min(int(np.ceil(centre_x + half_width)), image.shape[1]), left + 1)
    bottom = max(min(int(np.ceil(centre_y + half_height)), image.shape[0]), top + 1)
    part = image[top:bottom, left:right]
    scale = min(1.0, CROP_LONG_SIDE / max(part.shape[:2]))
    if scale < 1:
        size = (max(round(part.shape[1] * scale), 1), max(round(part.shape[0] * scale), 1))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    crop_landmarks = ((landmarks - [left, top]) * scale).astype("float32")
    return Crop(encode_jpeg(np.ascontiguousarray(part)), part.shape[1], part.shape[0], crop_landmarks)
