"""MTCNN (Zhang et al., 2016) in MXNet: P-net searches each photo's pyramid, R-net and O-net refine all photos' boxes together."""

from collections.abc import Sequence

import numpy as np

from recognition.engine import builtin_faces
from recognition.engine.base import Box, Detection
from recognition.engine.boxes import nms, nms_of_smaller, shifted, squared, widened
from recognition.engine.mips import Mips
from recognition.engine.pack_nets import PackNets
from recognition.engine.pyramid import Placed, canvas
from recognition.engine.runnable import RunnableNet
from recognition.engine.turned import quarter_turns

MIN_FACE = 40  # px, in a photo whose long side is at most LONG_SIDE
LONG_SIDE = 1280  # px
CELL, STRIDE = 12, 2  # px; P-net looks at squares of CELL, STRIDE apart
P_THRESHOLD, R_THRESHOLD, O_THRESHOLD = 0.6, 0.7, 0.8
# A face that scores below DOUBTFUL is looked at again, mirrored and a little wider, and must average CONFIRMED: a real face
# does, a plaid shirt that passed once does not.
DOUBTFUL, CONFIRMED = 0.95, 0.8
WIDER = 0.15
# MTCNN finds some upside-down faces without noticing. Measured on 98 upright faces and the same faces turned: an upright
# face scores at most 0.01 below itself turned, a turned one nearly always more than 0.02 below itself upright.
TURNED_FACES, TURNED_BY = 3, 0.015
# Sizes of a batch of crops of 24 and of 48 px. A batch is filled up to the next one, and what fills it costs as much as a crop.
BATCHES = {24: (1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64), 48: (1, 2, 3, 4, 6, 8, 10, 12, 16)}
CANVASES = 2  # how many shapes of canvas P-net keeps memory plans for


class MtcnnDetector:
    """Finds faces from 40 px on; in photos whose long side exceeds 1280 px, from 40/1280 of that side on."""

    def __init__(self, nets: PackNets):
        # These nets have 10 to 64 channels and gain nothing from bfloat16 in MXNet. In OpenVINO they gain a quarter, but find
        # slightly different boxes, so it is for those who ask for it.
        scene = _normalised(builtin_faces.scene(128, 96)[None])
        self.pnet = nets.load("pnet", scene, bfloat16="asked", any_size=True)
        self.pnet.plans = CANVASES
        self.rnet = nets.load("rnet", _normalised(builtin_faces.faces(8, 24)), bfloat16="asked")
        self.onet = nets.load("onet", _normalised(builtin_faces.faces(8, 48)), bfloat16="asked")

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        """See Detector."""
        photos = [Mips(image) for image in images]
        boxes = [self._propose(photo) for photo in photos]
        boxes, _ = self._refine(self.rnet, 24, R_THRESHOLD, photos, boxes)
        boxes = [kept[nms(kept, 0.7)] for kept in boxes]
        boxes, points = self._refine(self.onet, 48, O_THRESHOLD, photos, boxes)
        found = []
        for photo, kept, marks in zip(photos, boxes, points, strict=True):
            sure = self._confirm(photo, kept)
            found.append(_detections(kept[sure], marks[sure]))
        return found

    def quarter_turns(self, image: np.ndarray, faces: Sequence[Detection]) -> int:
        """See Detector. O-net scores the largest faces turned four ways: upright, a face scores by far the highest."""
        photo = Mips(image)
        boxes = [face.box for face in faces[:TURNED_FACES]]
        corners = np.array([[box.x, box.y, box.x + box.width, box.y + box.height, 1.0] for box in boxes])
        crops = photo.crops(widened(squared(corners), WIDER), 48)
        return quarter_turns(crops, lambda views: _in_batches(self.onet, views)[-1].ravel(), TURNED_BY)

    def _propose(self, photo: Mips) -> np.ndarray:
        """Runs P-net over the pyramid; returns boxes (n, 5)."""
        long_side = max(photo.levels[0].shape[:2])
        first = CELL / MIN_FACE * min(1.0, LONG_SIDE / long_side)
        image, levels = canvas(photo, first, CELL)
        if not levels:
            return np.empty((0, 5))
        offsets, probability = self.pnet(_normalised(image[None]))
        boxes, level = _cells(probability[0, 0], offsets[0], levels)
        boxes = boxes[nms(boxes, 0.5, groups=level)]
        return boxes[nms(boxes, 0.7)]

    def _refine(
        self, net: RunnableNet, size: int, threshold: float, photos: Sequence[Mips], boxes: Sequence[np.ndarray]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Runs R-net or O-net on the boxes of all photos: keeps those with a face and corrects them.

        Returns the boxes (n, 5) and landmarks (n, 5, 2) of each photo; R-net gives no landmarks, so there are none (n, 0, 2).
        """
        squares = [squared(kept) for kept in boxes]
        crops = [photo.crops(kept, size) for photo, kept in zip(photos, squares, strict=True)]
        counts = np.cumsum([len(kept) for kept in squares])[:-1]
        outputs = _in_batches(net, np.concatenate(crops))
        parts = [np.split(output, counts) for output in outputs]
        kept_boxes, kept_points = [], []
        for number, square in enumerate(squares):
            offsets, *landmarks, scores = [part[number] for part in parts]
            keep = scores[:, 0] >= threshold
            square = np.hstack([square[keep, :4], scores[keep]])
            kept_boxes.append(shifted(square, offsets[keep]))
            kept_points.append(_points(square, landmarks[0][keep]) if landmarks else np.empty((len(square), 0, 2)))
        return kept_boxes, kept_points

    def _confirm(self, photo: Mips, boxes: np.ndarray) -> np.ndarray:
        """Tells which boxes (n, 5) hold a face; bool (n,). Looks again only at those with a doubtful score."""
        sure = boxes[:, 4] >= DOUBTFUL
        for number in np.flatnonzero(~sure):
            square = squared(boxes[number : number + 1])
            views = photo.crops(np.concatenate([square, widened(square, WIDER)]), 48)
            sure[number] = _in_batches(self.onet, np.concatenate([views, views[:, :, ::-1]]))[-1].mean() >= CONFIRMED
        return sure


def _detections(boxes: np.ndarray, points: np.ndarray) -> list[Detection]:
    found = [
        Detection(Box(x1, y1, x2 - x1, y2 - y1), points[number].astype("float32"), score)
        for number, (x1, y1, x2, y2, score) in ((n, boxes[n].tolist()) for n in nms_of_smaller(boxes, 0.7))
    ]
    return sorted(found, key=lambda face: -face.box.width * face.box.height)


def _cells(probability: np.ndarray, offsets: np.ndarray, levels: list[Placed]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the cells that may hold a face, as boxes (n, 5) in px of the photo, and the index of the level each was seen in."""
    row, column = np.nonzero(probability >= P_THRESHOLD)
    corner = np.stack([column, row], 1) * STRIDE
    first = np.array([(level.x, level.y) for level in levels])
    last = first + [(level.width - CELL, level.height - CELL) for level in levels]
    inside = ((corner[:, None] >= first) & (corner[:, None] <= last)).all(2)  # of one level, not across two
    seen, level = inside.any(1), inside.argmax(1)
    row, column, corner, level = row[seen], column[seen], corner[seen] - first[level[seen]], level[seen]
    boxes = np.hstack([corner, corner + CELL, probability[row, column, None]]).astype("float64")
    boxes[:, :4] *= np.array([level.step * 2 for level in levels])[level]
    return shifted(boxes, offsets[:, row, column].T), level


def _points(squares: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Converts O-net's landmarks, five x and then five y as shares of the square, to px; float64 (n, 5, 2)."""
    shares = landmarks.reshape(-1, 2, 5).transpose(0, 2, 1)
    return squares[:, None, :2] + shares * (squares[:, None, 2:4] - squares[:, None, :2])


def _normalised(images: np.ndarray) -> np.ndarray:
    """Converts uint8 (n, h, w, 3) to float32 (n, 3, h, w), (x - 127.5) / 128."""
    out = np.empty((len(images), 3, *images.shape[1:3]), "float32")
    np.subtract(images.transpose(0, 3, 1, 2), 127.5, out=out, dtype="float32")
    out *= 1 / 128
    return out


def _in_batches(net: RunnableNet, crops: np.ndarray) -> list[np.ndarray]:
    """Runs the net on crops (n, size, size, 3) in batches of fixed sizes, so that its memory plans are reused."""
    outputs = []
    sizes = BATCHES[crops.shape[1]]
    for start in range(0, max(len(crops), 1), sizes[-1]):
        part = crops[start : start + sizes[-1]]
        batch = np.zeros((next(n for n in sizes if n >= len(part)), *crops.shape[1:]), "uint8")
        batch[: len(part)] = part
        outputs.append([output[: len(part)] for output in net(_normalised(batch))])
    return [np.concatenate(column) for column in zip(*outputs, strict=True)]
