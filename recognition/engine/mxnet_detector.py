"""MTCNN (Zhang et al., 2016) in MXNet: P-net over a pyramid, R-net and O-net over its proposals of all photos together."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from recognition.engine.base import Box, Detection
from recognition.engine.mxnet_runtime import Net

MIN_FACE = 40  # px, in the image after LONG_SIDE
LONG_SIDE = 1280
FACTOR = 0.709  # between two steps of the pyramid: half the area
CELL, STRIDE = 12, 2  # of P-net, px
P_THRESHOLD, R_THRESHOLD, O_THRESHOLD = 0.6, 0.7, 0.8
# A face below DOUBTFUL is looked at again, mirrored and a little wider: a plaid shirt that passed once does not pass
# on average, a face does.
DOUBTFUL, CONFIRMED = 0.95, 0.8
WIDER = 0.15
# MTCNN takes some upside-down faces for upright ones. Measured on 98 upright faces and the same turned: an upright face
# never loses by more than 0.01 to itself turned, a turned one nearly always by more than 0.02.
TURNED_FACES, TURNED_BY = 3, 0.015
BATCHES = (1, 2, 4, 8, 16, 32, 64)


class MtcnnDetector:
    """Finds faces of 40 px and more in images of any size; larger ones are looked at with a long side of 1280 px."""

    def __init__(self, pack_dir: Path, *, threads: int = 1):
        self.pnet, self.rnet, self.onet = (
            Net(
                pack_dir / f"{name}-symbol.json",
                pack_dir / f"{name}-0000.params",
                threads=threads,
                fixed_shapes=name != "pnet",
            )
            for name in ("pnet", "rnet", "onet")
        )

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        """See Detector."""
        scales = [min(1.0, LONG_SIDE / max(image.shape[:2])) for image in images]
        small = [_resize(image, scale) for image, scale in zip(images, scales, strict=True)]
        boxes = [self._propose(image) for image in small]
        boxes, _ = self._refine(self.rnet, 24, R_THRESHOLD, small, boxes)
        boxes = [kept[nms(kept, 0.7)] for kept in boxes]
        boxes, points = self._refine(self.onet, 48, O_THRESHOLD, small, boxes)
        found = []
        for image, kept, marks, scale in zip(small, boxes, points, scales, strict=True):
            sure = self._confirm(image, kept)
            found.append(_detections(kept[sure], marks[sure], scale))
        return found

    def _confirm(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Which boxes (n, 5) hold a face; bool (n,). Looks again only at those of a doubtful score."""
        sure = boxes[:, 4] >= DOUBTFUL
        for number in np.flatnonzero(~sure):
            square = _square(boxes[number : number + 1])[0]
            views = [_crop(image, box, 48) for box in (square, _wider(square))]
            views += [np.ascontiguousarray(view[:, ::-1]) for view in views]
            sure[number] = _in_batches(self.onet, views, 48)[-1].mean() >= CONFIRMED
        return sure

    def _propose(self, image: np.ndarray) -> np.ndarray:
        """P-net over the pyramid; float64 (n, 5): x1, y1, x2, y2, score."""
        found = [np.empty((0, 5))]
        scale = CELL / MIN_FACE
        while min(image.shape[:2]) * scale >= CELL:
            level = _resize(image, scale)
            offsets, probability = self.pnet(_normalise(level[None]))
            boxes = _cells(probability[0, 0], offsets[0], scale)
            found.append(boxes[nms(boxes, 0.5)])
            scale *= FACTOR
        boxes = np.concatenate(found)
        return boxes[nms(boxes, 0.7)]

    def _refine(self, net: Net, size: int, threshold: float, images, boxes):
        """One of the later nets over the boxes of all images: keeps the faces, moves their boxes."""
        squares = [_square(kept) for kept in boxes]
        crops = [_crop(image, box, size) for image, kept in zip(images, squares, strict=True) for box in kept]
        counts = np.cumsum([len(kept) for kept in squares])[:-1]
        outputs = _in_batches(net, crops, size)
        parts = [np.split(output, counts) for output in outputs]
        kept_boxes, kept_points = [], []
        for number, square in enumerate(squares):
            offsets, *landmarks, scores = [part[number] for part in parts]
            keep = scores[:, 0] >= threshold
            square = np.hstack([square[keep, :4], scores[keep]])
            moved = _move(square, offsets[keep])
            kept_boxes.append(moved)
            kept_points.append(_points(square, landmarks[0][keep]) if landmarks else None)
        return kept_boxes, kept_points

    def quarter_turns(self, image: np.ndarray, faces: Sequence[Detection]) -> int:
        """See Detector. O-net looks at the largest faces turned four ways; an upright one it likes best by far."""
        scale = min(1.0, LONG_SIDE / max(image.shape[:2]))
        small = _resize(image, scale)
        views = []
        for face in faces[:TURNED_FACES]:
            corners = np.array([face.box.x, face.box.y, face.box.x + face.box.width, face.box.y + face.box.height])
            crop = _crop(small, _wider(_square(np.append(corners * scale, 1.0)[None])[0]), 48)
            views += [np.ascontiguousarray(np.rot90(crop, turns)) for turns in range(4)]
        scores = _in_batches(self.onet, views, 48)[-1].reshape(-1, 4).mean(0)
        best = int(scores.argmax())
        return best if scores[best] > scores[0] + TURNED_BY else 0


def nms(boxes: np.ndarray, overlap: float, *, of_smaller: bool = False) -> np.ndarray:
    """Indices of the boxes (n, 5) that no better one covers by more than `overlap` (of the union, or the smaller)."""
    x1, y1, x2, y2, scores = boxes.T
    areas = (x2 - x1) * (y2 - y1)
    order = np.argsort(-scores, kind="stable")
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        width = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest])
        height = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        whole = np.minimum(areas[best], areas[rest]) if of_smaller else areas[best] + areas[rest] - shared
        order = rest[shared <= overlap * whole]
    return np.array(kept, dtype=int)


def _detections(boxes: np.ndarray, points: np.ndarray, scale: float) -> list[Detection]:
    kept = nms(boxes, 0.7, of_smaller=True)
    found = [
        Detection(
            Box(x1 / scale, y1 / scale, (x2 - x1) / scale, (y2 - y1) / scale),
            (points[number] / scale).astype("float32"),
            float(score),
        )
        for number, (x1, y1, x2, y2, score) in zip(kept, boxes[kept].tolist(), strict=True)
    ]
    return sorted(found, key=lambda face: -face.box.width * face.box.height)


def _cells(probability: np.ndarray, offsets: np.ndarray, scale: float) -> np.ndarray:
    rows, columns = np.nonzero(probability >= P_THRESHOLD)
    corner = np.stack([columns, rows], 1) * STRIDE
    boxes = np.hstack([corner, corner + CELL, probability[rows, columns, None]]).astype("float64")
    boxes[:, :4] /= scale
    return _move(boxes, offsets[:, rows, columns].T)


def _move(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Shifts each side by its offset, in widths and heights of the box."""
    size = boxes[:, 2:4] - boxes[:, :2]
    return np.hstack([boxes[:, :4] + offsets * np.hstack([size, size]), boxes[:, 4:]])


def _square(boxes: np.ndarray) -> np.ndarray:
    side = (boxes[:, 2:4] - boxes[:, :2]).max(1, keepdims=True) if len(boxes) else np.empty((0, 1))
    centre = (boxes[:, :2] + boxes[:, 2:4]) / 2
    return np.hstack([centre - side / 2, centre + side / 2, boxes[:, 4:]])


def _wider(square: np.ndarray) -> np.ndarray:
    margin = (square[2] - square[0]) * WIDER / 2
    return square + np.array([-margin, -margin, margin, margin, 0])


def _points(squares: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """O-net gives five x's, then five y's, in shares of the square; float64 (n, 5, 2)."""
    shares = landmarks.reshape(-1, 2, 5).transpose(0, 2, 1)
    return squares[:, None, :2] + shares * (squares[:, None, 2:4] - squares[:, None, :2])


def _crop(image: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """The box resized to size x size px; black beyond the image."""
    x1, y1 = np.round(box[:2]).astype(int)
    side = max(round(float(box[2] - box[0])), 1)
    left, top = max(x1, 0), max(y1, 0)
    part = image[top : max(y1 + side, 0), left : max(x1 + side, 0)]
    if part.shape[:2] != (side, side):
        whole = np.zeros((side, side, 3), image.dtype)
        whole[top - y1 : top - y1 + part.shape[0], left - x1 : left - x1 + part.shape[1]] = part
        part = whole
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)


def _resize(image: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1.0:
        return image
    width, height = (max(int(np.ceil(side * scale)), 1) for side in (image.shape[1], image.shape[0]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _normalise(images: np.ndarray) -> np.ndarray:
    """uint8 (n, h, w, 3) to float32 (n, 3, h, w), (x - 127.5) / 128."""
    return ((images.astype("float32") - 127.5) * (1 / 128)).transpose(0, 3, 1, 2)


def _in_batches(net: Net, crops: list[np.ndarray], size: int) -> list[np.ndarray]:
    """Runs the net at fixed batch sizes, so that its memory plans are reused."""
    if not crops:
        crops, wanted = [np.zeros((size, size, 3), "uint8")], 0
    else:
        wanted = len(crops)
    outputs = []
    for start in range(0, len(crops), BATCHES[-1]):
        part = np.stack(crops[start : start + BATCHES[-1]])
        batch = next(n for n in BATCHES if n >= len(part))
        padded = np.concatenate([part, np.zeros((batch - len(part), *part.shape[1:]), "uint8")])
        outputs.append([output[: len(part)] for output in net(_normalise(padded))])
    return [np.concatenate(column)[:wanted] for column in zip(*outputs, strict=True)]
