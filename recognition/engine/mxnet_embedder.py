"""Embeds faces with a pack's net in MXNet: turns aligned chips into the vectors that are stored and compared by L2."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from recognition.engine import builtin_faces
from recognition.engine.align import ALIGNMENTS, warp
from recognition.engine.base import Purpose
from recognition.engine.manifest import Manifest
from recognition.engine.mxnet_runtime import LARGE_NET
from recognition.engine.pack_nets import PackNets

# Large nets gain nothing from large batches, and need much memory for each plan. 2 is a face and its mirror image.
BATCHES, LARGE_BATCHES = (1, 2, 4, 8, 16), (2, 4)
# The six additional views at enrolment, which make the vector steadier: rotation in degrees, scale, shift in 150ths of the
# chip, mirrored.
JITTER = (
    (-4.0, 1.04, (2.0, -1.5), False),
    (4.0, 0.96, (-2.0, 1.5), True),
    (-2.5, 0.98, (-3.0, -2.0), True),
    (2.5, 1.02, (3.0, 2.0), False),
    (-1.0, 1.03, (1.0, 3.0), True),
    (1.0, 0.97, (-1.0, -3.0), False),
)


class FaceEmbedder:
    """Averages the vectors of a face's views: one or two of a probe, as the manifest says; at enrolment, where time is free,
    eight, namely the face, its mirror image and six slightly moved ones."""

    def __init__(self, nets: PackNets, manifest: Manifest):
        self.alignment = ALIGNMENTS[manifest.alignment]
        self.dim = manifest.dim
        self._probe_views = manifest.probe_views
        self._unit_length = manifest.metric == "cosine"
        self._order = slice(None, None, -1 if manifest.colours == "bgr" else 1)
        self._mean, self._scale = (
            np.array(values, "float32").reshape(3, 1, 1)
            for values in (manifest.mean, 1 / np.array(manifest.std, "float64"))
        )
        size = self.alignment.chip_size
        self.net = nets.load("embedder", self._normalised(list(builtin_faces.faces(2, size)), 2))
        self._batches = LARGE_BATCHES if self.net.weights > LARGE_NET else BATCHES

    def embed(self, image_landmarks: Sequence[tuple[np.ndarray, np.ndarray]], purpose: Purpose) -> np.ndarray:
        """See Embedder."""
        if not image_landmarks:
            return np.empty((0, self.dim), "float32")
        views = [view for image, landmarks in image_landmarks for view in self._views(image, landmarks, purpose)]
        vectors = self.embed_chips(views).reshape(len(image_landmarks), -1, self.dim).mean(1)
        if self._unit_length:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def embed_chips(self, chips: Sequence[np.ndarray]) -> np.ndarray:
        """See Embedder."""
        vectors = []
        for start in range(0, len(chips), self._batches[-1]):
            part = chips[start : start + self._batches[-1]]
            batch = next(n for n in self._batches if n >= len(part))
            vectors.append(self.net(self._normalised(part, batch))[0][: len(part)])
        return np.concatenate(vectors)

    def _normalised(self, chips: Sequence[np.ndarray], batch: int) -> np.ndarray:
        """Prepares chips as the net takes them, and fills the batch with zeros; float32 (batch, 3, size, size)."""
        size = self.alignment.chip_size
        out = np.zeros((batch, 3, size, size), "float32")
        for number, chip in enumerate(chips):
            np.subtract(chip[:, :, self._order].transpose(2, 0, 1), self._mean, out=out[number])
            out[number] *= self._scale
        return out

    def _views(self, image: np.ndarray, landmarks: np.ndarray, purpose: Purpose) -> Iterator[np.ndarray]:
        base, size = self.alignment.matrix(landmarks), self.alignment.chip_size
        chip = warp(image, base, size)
        yield chip
        if purpose == "enrol" or self._probe_views == 2:
            yield chip[:, ::-1]
        if purpose == "enrol":
            for degrees, scale, shift, mirrored in JITTER:
                view = warp(image, self._jittered(base, degrees, scale, shift), size)
                yield view[:, ::-1] if mirrored else view

    def _jittered(self, base: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
        size = self.alignment.chip_size
        turn = cv2.getRotationMatrix2D((size / 2, size / 2), degrees, scale)
        turn[:, 2] += np.array(shift) * (size / 150)  # type: ignore[misc] # OpenCV returns float64; its stubs say any number
        return turn @ np.vstack([base, [0, 0, 1]])
