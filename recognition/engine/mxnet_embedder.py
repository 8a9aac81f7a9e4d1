"""dlib's ResNet in MXNet: 128 values a face, compared by L2, not of unit length."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from recognition.engine.align import DLIB_TARGETS, similarity, warp
from recognition.engine.base import Purpose
from recognition.engine.mxnet_runtime import Net

BATCHES = (1, 2, 4, 8, 16)
# Rotation in degrees, scale, shift in px, mirrored: seen six more times, a face is enrolled more steadily.
JITTER = (
    (-4.0, 1.04, (2.0, -1.5), False),
    (4.0, 0.96, (-2.0, 1.5), True),
    (-2.5, 0.98, (-3.0, -2.0), True),
    (2.5, 1.02, (3.0, 2.0), False),
    (-1.0, 1.03, (1.0, 3.0), True),
    (1.0, 0.97, (-1.0, -3.0), False),
)


class DlibEmbedder:
    """Averages a face and its mirror image; at enrolment six jittered views more."""

    dim = 128
    chip_size = 150

    def __init__(self, pack_dir: Path, *, threads: int = 1):
        self.net = Net(pack_dir / "embedder-symbol.json", pack_dir / "embedder-0000.params", threads=threads)

    def chip(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """See Embedder."""
        return warp(image, similarity(landmarks[:3].astype("float64"), DLIB_TARGETS), self.chip_size)

    def embed(self, image_landmarks: Sequence[tuple[np.ndarray, np.ndarray]], purpose: Purpose) -> np.ndarray:
        """See Embedder."""
        views = [view for image, landmarks in image_landmarks for view in self._views(image, landmarks, purpose)]
        vectors = self.embed_chips(np.stack(views)) if views else np.empty((0, self.dim), "float32")
        return vectors.reshape(len(image_landmarks), -1, self.dim).mean(1) if views else vectors

    def embed_chips(self, chips: np.ndarray) -> np.ndarray:
        """chips: uint8 RGB (n, 150, 150, 3). Returns float32 (n, 128)."""
        vectors = []
        for start in range(0, len(chips), BATCHES[-1]):
            part = chips[start : start + BATCHES[-1]].transpose(0, 3, 1, 2).astype("float32")
            batch = next(n for n in BATCHES if n >= len(part))
            padded = np.concatenate([part, np.zeros((batch - len(part), *part.shape[1:]), "float32")])
            vectors.append(self.net(padded)[0][: len(part)])
        return np.concatenate(vectors)

    def _views(self, image: np.ndarray, landmarks: np.ndarray, purpose: Purpose):
        base = similarity(landmarks[:3].astype("float64"), DLIB_TARGETS)
        chip = warp(image, base, self.chip_size)
        yield chip
        yield chip[:, ::-1]
        if purpose == "enrol":
            for degrees, scale, shift, mirrored in JITTER:
                view = warp(image, self._jittered(base, degrees, scale, shift), self.chip_size)
                yield view[:, ::-1] if mirrored else view

    def _jittered(self, base: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
        turn = cv2.getRotationMatrix2D((self.chip_size / 2, self.chip_size / 2), degrees, scale)
        turn[:, 2] += shift
        return turn @ np.vstack([base, [0, 0, 1]])
