"""Boxes as rows x1, y1, x2, y2, score; float64 (n, 5)."""

import cv2
import numpy as np


def nms(boxes: np.ndarray, overlap: float, *, apart: np.ndarray | None = None) -> np.ndarray:
    """Indices, best first, of the boxes that no better one covers by more than `overlap` of their union.

    apart: a group (n,) for each box; those of different groups do not meet.
    """
    if not len(boxes):
        return np.empty(0, int)
    corners = np.hstack([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]])
    if apart is not None:  # far enough from each other never to overlap
        corners[:, 0] += apart * (np.ptp(boxes[:, [0, 2]]) + 1)
    kept = cv2.dnn.NMSBoxes(corners, boxes[:, 4].astype("float32"), 0.0, overlap)
    return np.asarray(kept, int).ravel()


def nms_of_smaller(boxes: np.ndarray, overlap: float) -> np.ndarray:
    """The same by how much of the smaller of two boxes is covered; for few boxes."""
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


def moved(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Shifts each side by its offset (n, 4), in widths and heights of the box."""
    size = boxes[:, 2:4] - boxes[:, :2]
    return np.hstack([boxes[:, :4] + offsets * np.hstack([size, size]), boxes[:, 4:]])


def squared(boxes: np.ndarray) -> np.ndarray:
    """Round the same centre, as wide and high as the longer side."""
    side = (boxes[:, 2:4] - boxes[:, :2]).max(1, keepdims=True) if len(boxes) else np.empty((0, 1))
    centre = (boxes[:, :2] + boxes[:, 2:4]) / 2
    return np.hstack([centre - side / 2, centre + side / 2, boxes[:, 4:]])


def widened(square: np.ndarray, share: float) -> np.ndarray:
    """One box (5,), larger by `share` of its width."""
    margin = (square[2] - square[0]) * share / 2
    return square + np.array([-margin, -margin, margin, margin, 0])
