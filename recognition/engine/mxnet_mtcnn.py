"""MTCNN (Zhang et al., 2016) in MXNet: P-net over a pyramid, R-net and O-net over its proposals of all photos together."""

from collections.abc import Sequence

import numpy as np

from recognition.engine import builtin_faces
from recognition.engine.base import Box, Detection
from recognition.engine.boxes import moved, nms, nms_of_smaller, squared, widened
from recognition.engine.mips import Mips
from recognition.engine.mxnet_runtime import Net
from recognition.engine.pack_nets import PackNets
from recognition.engine.pyramid import Placed, canvas

MIN_FACE = 40  # px, in a photo of LONG_SIDE
LONG_SIDE = 1280
CELL, STRIDE = 12, 2  # of P-net, px
P_THRESHOLD, R_THRESHOLD, O_THRESHOLD = 0.6, 0.7, 0.8
# A face below DOUBTFUL is looked at again, mirrored and a little wider: a plaid shirt that passed once does not pass
# on average, a face does.
DOUBTFUL, CONFIRMED = 0.95, 0.8
WIDER = 0.15
# MTCNN takes some upside-down faces for upright ones. Measured on 98 upright faces and the same turned: an upright face
# never loses by more than 0.01 to itself turned, a turned one nearly always by more than 0.02.
TURNED_FACES, TURNED_BY = 3, 0.015
BATCHES = {24: (1, 2, 4, 8, 16, 24, 32, 48, 64), 48: (1, 2, 4, 8, 16)}  # by the crops' px
CANVASES = 2  # shapes of canvas whose memory P-net keeps


class MtcnnDetector:
    """Finds faces of 40 px and more; in photos whose long side is above 1280 px, of 40/1280 of it and more."""

    def __init__(self, nets: PackNets):
        # bfloat16 wants 32 channels, and these nets have 10 to 64: nothing to gain.
        scene = _normalise(builtin_faces.scene(128, 96)[None])
        self.pnet = nets.load("pnet", scene, bfloat16=False)
        self.pnet.plans = CANVASES
        self.rnet = nets.load("rnet", _normalise(builtin_faces.faces(8, 24)), bfloat16=False)
        self.onet = nets.load("onet", _normalise(builtin_faces.faces(8, 48)), bfloat16=False)

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
        """See Detector. O-net looks at the largest faces turned four ways; an upright one it likes best by far."""
        photo = Mips(image)
        views = []
        for face in faces[:TURNED_FACES]:
            box = face.box
            corners = np.array([[box.x, box.y, box.x + box.width, box.y + box.height, 1.0]])
            crop = photo.crop(widened(squared(corners)[0], WIDER), 48)
            views += [np.rot90(crop, turns) for turns in range(4)]
        scores = _in_batches(self.onet, views, 48)[-1].reshape(-1, 4).mean(0)
        best = int(scores.argmax())
        return best if scores[best] > scores[0] + TURNED_BY else 0

    def _propose(self, photo: Mips) -> np.ndarray:
        """P-net over the pyramid; boxes as in boxes.py."""
        long_side = max(photo.levels[0].shape[:2])
        first = CELL / MIN_FACE * min(1.0, LONG_SIDE / long_side)
        image, levels = canvas(photo, first, CELL)
        if not levels:
            return np.empty((0, 5))
        offsets, probability = self.pnet(_normalise(image[None]))
        boxes, level = _cells(probability[0, 0], offsets[0], levels)
        boxes = boxes[nms(boxes, 0.5, apart=level)]
        return boxes[nms(boxes, 0.7)]

    def _refine(self, net: Net, size: int, threshold: float, photos, boxes):
        """One of the later nets over the boxes of all photos: keeps the faces, moves their boxes."""
        squares = [squared(kept) for kept in boxes]
        crops = [photo.crop(box, size) for photo, kept in zip(photos, squares, strict=True) for box in kept]
        counts = np.cumsum([len(kept) for kept in squares])[:-1]
        outputs = _in_batches(net, crops, size)
        parts = [np.split(output, counts) for output in outputs]
        kept_boxes, kept_points = [], []
        for number, square in enumerate(squares):
            offsets, *landmarks, scores = [part[number] for part in parts]
            keep = scores[:, 0] >= threshold
            square = np.hstack([square[keep, :4], scores[keep]])
            kept_boxes.append(moved(square, offsets[keep]))
            kept_points.append(_points(square, landmarks[0][keep]) if landmarks else None)
        return kept_boxes, kept_points

    def _confirm(self, photo: Mips, boxes: np.ndarray) -> np.ndarray:
        """Which boxes (n, 5) hold a face; bool (n,). Looks again only at those of a doubtful score."""
        sure = boxes[:, 4] >= DOUBTFUL
        for number in np.flatnonzero(~sure):
            square = squared(boxes[number : number + 1])[0]
            views = [photo.crop(box, 48) for box in (square, widened(square, WIDER))]
            views += [view[:, ::-1] for view in views]
            sure[number] = _in_batches(self.onet, views, 48)[-1].mean() >= CONFIRMED
        return sure


def _detections(boxes: np.ndarray, points: np.ndarray) -> list[Detection]:
    found = [
        Detection(Box(x1, y1, x2 - x1, y2 - y1), points[number].astype("float32"), score)
        for number, (x1, y1, x2, y2, score) in ((n, boxes[n].tolist()) for n in nms_of_smaller(boxes, 0.7))
    ]
    return sorted(found, key=lambda face: -face.box.width * face.box.height)


def _cells(probability: np.ndarray, offsets: np.ndarray, levels: list[Placed]) -> tuple[np.ndarray, np.ndarray]:
    """The cells that may hold a face: boxes (n, 5) in px of the photo, and which of its sizes each was seen in."""
    row, column = np.nonzero(probability >= P_THRESHOLD)
    corner = np.stack([column, row], 1) * STRIDE
    first = np.array([(level.x, level.y) for level in levels])
    last = first + [(level.width - CELL, level.height - CELL) for level in levels]
    inside = ((corner[:, None] >= first) & (corner[:, None] <= last)).all(2)  # not across two sizes
    seen, level = inside.any(1), inside.argmax(1)
    row, column, corner, level = row[seen], column[seen], corner[seen] - first[level[seen]], level[seen]
    boxes = np.hstack([corner, corner + CELL, probability[row, column, None]]).astype("float64")
    boxes[:, :4] *= np.array([level.step * 2 for level in levels])[level]
    return moved(boxes, offsets[:, row, column].T), level


def _points(squares: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """O-net gives five x's, then five y's, in shares of the square; float64 (n, 5, 2)."""
    shares = landmarks.reshape(-1, 2, 5).transpose(0, 2, 1)
    return squares[:, None, :2] + shares * (squares[:, None, 2:4] - squares[:, None, :2])


def _normalise(images: np.ndarray) -> np.ndarray:
    """uint8 (n, h, w, 3) to float32 (n, 3, h, w), (x - 127.5) / 128."""
    out = np.empty((len(images), 3, *images.shape[1:3]), "float32")
    np.subtract(images.transpose(0, 3, 1, 2), 127.5, out=out, dtype="float32")
    out *= 1 / 128
    return out


def _in_batches(net: Net, crops: list[np.ndarray], size: int) -> list[np.ndarray]:
    """Runs the net at fixed batch sizes, so that its memory plans are reused."""
    wanted = len(crops)
    outputs = []
    sizes = BATCHES[size]
    for start in range(0, max(wanted, 1), sizes[-1]):
        part = crops[start : start + sizes[-1]]
        batch = np.zeros((next(n for n in sizes if n >= len(part)), size, size, 3), "uint8")
        for number, crop in enumerate(part):
            batch[number] = crop
        outputs.append([output[: len(part)] for output in net(_normalise(batch))])
    return [np.concatenate(column) for column in zip(*outputs, strict=True)]
