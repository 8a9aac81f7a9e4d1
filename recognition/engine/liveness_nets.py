"""Runs the nets that tell a face before the camera from a picture of one; see liveness.py.

They look at the face with its surroundings, for the edge of a photo or a screen, and for how a screen shines.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from recognition.engine import builtin_faces
from recognition.engine.base import Box
from recognition.engine.liveness import verify_liveness
from recognition.engine.manifest import PackError
from recognition.engine.pack_nets import PackNets
from recognition.engine.runnable import RunnableNet
from recognition.engine.texts import gettext_noop

logger = logging.getLogger(__name__)
REAL = 1  # the class of a real face, of the three of each net
SIZE = 80  # px, of what the nets see
BATCHES = (1, 2, 4, 8)
LOOK_AGAIN = 30.0  # seconds after which a pack that was missing is looked for again


class LivenessNets:
    """A loaded pack. options: as PackNets takes them. Raises PackError, DeviceError."""

    def __init__(self, pack_dir: Path, **options: Any):
        manifest = verify_liveness(pack_dir)
        packed = PackNets(pack_dir, **options)
        probe = _batch(list(builtin_faces.faces(2, SIZE)), 2)
        try:
            # A score stands beside a fixed limit, so these nets are never run in bfloat16.
            self._nets: list[tuple[RunnableNet, float]] = [
                (packed.load(name, probe, bfloat16="never"), scale) for name, scale in manifest.nets.items()
            ]
        except ValueError as error:
            message = gettext_noop("The pack %(pack)s cannot be loaded: %(error)s")
            raise PackError(message % {"pack": manifest.name, "error": error}) from error
        self.engine = packed.describe()

    def scores(self, faces: Sequence[tuple[np.ndarray, Box]]) -> list[float]:
        """How likely each face is real, 0–1: the mean of the nets. faces: image, uint8 RGB, and the face's box in it."""
        if not faces:
            return []
        found = [
            self._real(net, [surroundings(image, box, scale) for image, box in faces]) for net, scale in self._nets
        ]
        return np.mean(found, axis=0).tolist()

    @staticmethod
    def _real(net: RunnableNet, pictures: list[np.ndarray]) -> np.ndarray:
        parts = []
        for start in range(0, len(pictures), BATCHES[-1]):
            part = pictures[start : start + BATCHES[-1]]
            batch = _batch(part, next(size for size in BATCHES if size >= len(part)))
            parts.append(net(batch)[0][: len(part), REAL])
        return np.concatenate(parts)


class OptionalLiveness:
    """The nets of a pack that may be missing, loaded when they are first wanted. options: as PackNets takes them."""

    def __init__(self, pack_dir: Path, **options: Any):
        self._pack_dir, self._options = pack_dir, options
        self._nets: LivenessNets | None = None
        self._looked = float("-inf")

    def nets(self) -> LivenessNets | None:
        """None, and a line in the log, while the pack is missing or damaged: the faces then have no score."""
        if self._nets is None and time.monotonic() - self._looked > LOOK_AGAIN:
            self._looked = time.monotonic()
            try:
                self._nets = LivenessNets(self._pack_dir, **self._options)
            except PackError as error:
                logger.warning("faces are not checked for presentation attacks: %s", error)
        return self._nets


def surroundings(image: np.ndarray, box: Box, scale: float) -> np.ndarray:
    """The face's box made `scale` times as large, or as the image allows, and moved into the image; uint8 RGB, SIZE px.

    Cut and resized to the pixel as the nets' publisher does it.
    """
    rows, columns = image.shape[:2]
    width, height = max(box.width, 1.0), max(box.height, 1.0)
    scale = min((rows - 1) / height, (columns - 1) / width, scale)
    left, right = _moved_in(box.x + box.width / 2, width * scale, columns)
    top, bottom = _moved_in(box.y + box.height / 2, height * scale, rows)
    return cv2.resize(image[top : bottom + 1, left : right + 1], (SIZE, SIZE))


def _moved_in(centre: float, side: float, limit: int) -> tuple[int, int]:
    """The first and last pixel of a side that is at most limit - 1 long."""
    first, last = centre - side / 2, centre + side / 2
    if first < 0:
        first, last = 0.0, last - first
    if last > limit - 1:
        first, last = first - (last - limit + 1), limit - 1
    return max(int(first), 0), int(last)


def _batch(pictures: Sequence[np.ndarray], size: int) -> np.ndarray:
    """As the nets take them: BGR, 0–255, the batch filled up with zeros; float32 (size, 3, SIZE, SIZE)."""
    out = np.zeros((size, 3, SIZE, SIZE), "float32")
    for number, picture in enumerate(pictures):
        out[number] = picture[:, :, ::-1].transpose(2, 0, 1)
    return out
