"""YuNet (Wu et al., 2023) in MXNet: a small one-stage detector with five landmarks, as OpenCV Zoo publishes it in ONNX.

The net's outputs are maps for the strides 8, 16 and 32: how sure it is of a face, how well its box fits, boxes, landmarks; one of
each per cell. Sides and offsets are in strides, from the cell's corner.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from recognition.engine import builtin_faces
from recognition.engine.base import Detection
from recognition.engine.boxes import detections_of, nms
from recognition.engine.mips import Mips
from recognition.engine.pack_nets import PackNets
from recognition.engine.turned import quarter_turns

STRIDES = (8, 16, 32)
LONG_SIDE = 640  # px
ROUND_TO = 32  # px; sides of the net's input are multiples of its largest stride
THRESHOLD, OVERLAP = 0.6, 0.3
SHAPES = 4  # how many input shapes it keeps memory plans for
# It finds an upside-down face and gives it upright landmarks. Turned upright, such a face scores higher.
TURNED_FACES, TURNED_BY, TURNED_SIZE, SURROUNDINGS = 3, 0.05, 128, 2.0


class YunetDetector:
    """Shrinks photos to a long side of 640 px and finds faces from about 10 px on in that."""

    def __init__(self, nets: PackNets):
        # The net has 16 to 64 channels, and its scores stand beside a fixed limit.
        self.net = nets.load("detector", _pixels(builtin_faces.scene(128, 128)[None]), bfloat16="never", any_size=True)
        self.net.plans = SHAPES

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        """See Detector."""
        return [self._detect(image) for image in images]

    def quarter_turns(self, image: np.ndarray, faces: Sequence[Detection]) -> int:
        """See Detector. The net looks at the largest faces turned four ways: upright, a face scores by far the highest."""
        photo = Mips(image)
        centres = np.array([[f.box.x + f.box.width / 2, f.box.y + f.box.height / 2] for f in faces[:TURNED_FACES]])
        halves = np.array([[max(f.box.width, f.box.height) * SURROUNDINGS / 2] for f in faces[:TURNED_FACES]])
        crops = photo.crops(np.hstack([centres - halves, centres + halves]), TURNED_SIZE)
        return quarter_turns(crops, self._surest, TURNED_BY)

    def _surest(self, views: np.ndarray) -> np.ndarray:
        """The highest score of each view."""
        maps = self.net(_pixels(views))
        return np.max([_scores(maps, level).reshape(len(views), -1).max(1) for level in range(len(STRIDES))], axis=0)

    def _detect(self, image: np.ndarray) -> list[Detection]:
        scale = min(1.0, LONG_SIDE / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
        height, width = small.shape[:2]
        canvas = np.zeros((-(-height // ROUND_TO) * ROUND_TO, -(-width // ROUND_TO) * ROUND_TO, 3), "uint8")
        canvas[:height, :width] = small
        maps = self.net(_pixels(canvas[None]))
        levels = [_decoded(maps, level) for level in range(len(STRIDES))]
        boxes, points = (np.concatenate(part) for part in zip(*levels, strict=True))
        step = np.array([image.shape[1] / width, image.shape[0] / height])
        kept = nms(boxes, OVERLAP)
        return detections_of(boxes[kept], points[kept], step)


def _scores(maps: Sequence[np.ndarray], level: int) -> np.ndarray:
    """Of each cell of a stride, 0–1; (n, h, w)."""
    sure, fits = maps[level], maps[level + len(STRIDES)]
    return np.sqrt(np.clip(sure[:, 0], 0, 1) * np.clip(fits[:, 0], 0, 1))


def _decoded(maps: Sequence[np.ndarray], level: int) -> tuple[np.ndarray, np.ndarray]:
    """Turns one image's maps of a stride into boxes (n, 5) and landmarks (n, 5, 2), px of the net's input."""
    scores = _scores(maps, level)[0]
    row, column = np.nonzero(scores >= THRESHOLD)
    corner, stride = np.stack([column, row], 1).astype("float64"), STRIDES[level]
    box = maps[level + 2 * len(STRIDES)][0][:, row, column].T
    centre, half = (corner + box[:, :2]) * stride, np.exp(box[:, 2:]) * (stride / 2)
    offsets = maps[level + 3 * len(STRIDES)][0][:, row, column].T.reshape(-1, 5, 2)
    boxes = np.hstack([centre - half, centre + half, scores[row, column, None]])
    return boxes, (corner[:, None] + offsets) * stride


def _pixels(images: np.ndarray) -> np.ndarray:
    """Converts uint8 RGB (n, h, w, 3) to what the net takes: BGR, 0–255; float32 (n, 3, h, w)."""
    return np.ascontiguousarray(images[..., ::-1].transpose(0, 3, 1, 2), "float32")
