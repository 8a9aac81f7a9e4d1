"""SCRFD (Guo et al., 2021) in MXNet: a one-stage detector with five landmarks, as InsightFace publishes it in ONNX.

The net's outputs are maps: scores for the strides 8, 16 and 32, then boxes, then landmarks, with two anchors per cell.
Distances to a box's sides and offsets of landmarks are in strides, from the cell's corner.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from recognition.engine import builtin_faces
from recognition.engine.base import Detection
from recognition.engine.boxes import detections_of, nms
from recognition.engine.pack_nets import PackNets

STRIDES = (8, 16, 32)
LONG_SIDE = 640  # px; the size it was trained for, and InsightFace's default
ROUND_TO = 64  # px; so there are few input shapes, and their memory plans can be kept
THRESHOLD, OVERLAP = 0.5, 0.4
SHAPES = 4  # how many input shapes it keeps memory plans for


class ScrfdDetector:
    """Shrinks photos to a long side of 640 px and finds faces from about 16 px on in that."""

    def __init__(self, nets: PackNets):
        self.net = nets.load("detector", _normalised(builtin_faces.scene(128, 128)), any_size=True)
        self.net.plans = SHAPES

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        """See Detector."""
        return [self._detect(image) for image in images]

    def quarter_turns(self, image: np.ndarray, faces: Sequence[Detection]) -> int:
        """See Detector. SCRFD's landmarks follow a turned face, so the way from eyes to mouth is down."""
        down = sum(face.landmarks[3:].mean(0) - face.landmarks[:2].mean(0) for face in faces[:3])
        return round(float(np.degrees(np.arctan2(down[0], down[1]))) / -90) % 4

    def _detect(self, image: np.ndarray) -> list[Detection]:
        scale = min(1.0, LONG_SIDE / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
        height, width = small.shape[:2]
        canvas = np.zeros((-(-height // ROUND_TO) * ROUND_TO, -(-width // ROUND_TO) * ROUND_TO, 3), "uint8")
        canvas[:height, :width] = small
        outputs = self.net(_normalised(canvas))
        levels = [_decoded(outputs[level::3], stride) for level, stride in enumerate(STRIDES)]
        boxes, points = (np.concatenate(part) for part in zip(*levels, strict=True))
        step = np.array([image.shape[1] / width, image.shape[0] / height])
        kept = nms(boxes, OVERLAP)
        return detections_of(boxes[kept], points[kept], step)


def _decoded(maps: Sequence[np.ndarray], stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Turns the maps of one stride into boxes (n, 5) and landmarks (n, 5, 2), px of the net's input.

    maps: scores, distances and offsets, each (1, anchors * k, h, w).
    """
    scores, distances, offsets = maps
    anchors, (rows, columns) = scores.shape[1], scores.shape[2:]
    anchor, row, column = np.nonzero(scores[0] >= THRESHOLD)
    corner = np.stack([column, row], 1) * float(stride)
    sides = distances[0].reshape(anchors, 4, rows, columns)[anchor, :, row, column] * stride
    points = offsets[0].reshape(anchors, 5, 2, rows, columns)[anchor, :, :, row, column] * stride
    score = scores[0][anchor, row, column, None].astype("float64")
    return np.hstack([corner - sides[:, :2], corner + sides[:, 2:], score]), corner[:, None] + points


def _normalised(image: np.ndarray) -> np.ndarray:
    """Converts uint8 RGB (h, w, 3) to float32 (1, 3, h, w), (x - 127.5) / 128."""
    return cv2.dnn.blobFromImage(image, 1 / 128, mean=(127.5, 127.5, 127.5))
