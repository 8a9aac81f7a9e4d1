"""Operations on boxes as rows x1, y1, x2, y2, score; float64 (n, 5)."""

import cv2
import numpy as np

from recognition.engine.base import Box, Detection


def nms(boxes: np.ndarray, overlap: float, *, groups: np.ndarray | None = None) -> np.ndarray:
    """Non-maximum suppression: indices, best first, of boxes whose overlap with no better box exceeds `overlap`.

    overlap: intersection over union. groups: (n,), a group for each box; only boxes of the same group suppress each other.
    """
    if not len(boxes):
        return np.empty(0, int)
    corners = np.hstack([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]])
    if groups is not None:  # moved so far apart that boxes of two groups never overlap
        corners[:, 0] += groups * (np.ptp(boxes[:, [0, 2]]) + 1)
    # The stubs ask for lists; OpenCV takes arrays, without a copy for each number.
    kept = cv2.dnn.NMSBoxes(corners, boxes[:, 4].astype("float32"), 0.0, overlap)  # type: ignore[arg-type]
    return np.asarray(kept, int).ravel()


def nms_of_smaller(boxes: np.ndarray, overlap: float) -> np.ndarray:
    """As `nms`, with overlap as a share of the smaller of two boxes. Meant for few boxes."""
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
        order = rest[shared <= overlap * np.minimum(areas[best], areas[rest])]
    return np.array(kept, dtype=int)


def shifted(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Shifts the sides of each box by its offsets (n, 4), given in widths and heights of the box."""
    size = boxes[:, 2:4] - boxes[:, :2]
    return np.hstack([boxes[:, :4] + offsets * np.hstack([size, size]), boxes[:, 4:]])


def squared(boxes: np.ndarray) -> np.ndarray:
    """Makes each box square: the same centre, and sides as long as its longer one."""
    side = (boxes[:, 2:4] - boxes[:, :2]).max(1, keepdims=True) if len(boxes) else np.empty((0, 1))
    centre = (boxes[:, :2] + boxes[:, 2:4]) / 2
    return np.hstack([centre - side / 2, centre + side / 2, boxes[:, 4:]])


def widened(squares: np.ndarray, share: float) -> np.ndarray:
    """Returns square boxes, larger by `share` of their width."""
    margin = (squares[:, 2:3] - squares[:, :1]) * share / 2
    return np.hstack([squares[:, :2] - margin, squares[:, 2:4] + margin, squares[:, 4:]])


def detections_of(boxes: np.ndarray, points: np.ndarray, step: np.ndarray) -> list[Detection]:
    """Boxes (n, 5) with their scores and landmarks (n, 5, 2), px of a net's input, as faces of the image; the largest first.

    step: px of the image for one of the input, (x, y).
    """
    found = []
    for (x1, y1, x2, y2, score), marks in zip(boxes.tolist(), points, strict=True):
        box = Box(x1 * step[0], y1 * step[1], (x2 - x1) * step[0], (y2 - y1) * step[1])
        found.append(Detection(box, (marks * step).astype("float32"), score))
    return sorted(found, key=lambda face: -face.box.width * face.box.height)
