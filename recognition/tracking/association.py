"""Which face of a frame belongs to which track: by place and, where that leaves a doubt, by vector."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from recognition.engine.base import Box

Row: TypeAlias = tuple[float, float, float, float]  # x, y, width, height; px

OVERLAP = 0.2  # IoU that is enough
REACH, REACH_ALIKE = 1.0, 3.0  # face widths between the centres; the latter if the vectors are of one person
LARGEST_GROWTH = 2.0  # of a face's size, from one frame to the next
VETO = 1.25  # thresholds between the vectors: another person, wherever the face is
TIE = 0.25  # IoU that a whole threshold between the vectors outweighs


def associate(
    was: np.ndarray, expected: np.ndarray, boxes: np.ndarray, distances: np.ndarray, threshold: float
) -> list[tuple[int, int]]:
    """Pairs of (track, face), each used once, the likeliest first.

    was, expected: float64 (t, 4) as x, y, width, height: where each track was last, and where it should be by its speed. Both
    are looked at, as people stop and turn. boxes: (f, 4). distances: (t, f) between the vectors, NaN where one is of no use.
    """
    if not len(was) or not len(boxes):
        return []
    return list(_greedily(_costs(was, expected, boxes, distances / threshold)))


def _costs(was: np.ndarray, expected: np.ndarray, boxes: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """(t, f); inf where it cannot be. distances: in thresholds."""
    overlap = np.maximum(_iou(was, boxes), _iou(expected, boxes))
    away = np.minimum(_away(was, boxes), _away(expected, boxes))
    growth = np.sqrt(_area(boxes)[None] / _area(was)[:, None])
    sized_alike = (growth <= LARGEST_GROWTH) & (growth >= 1 / LARGEST_GROWTH)
    reach = np.where(distances <= 1, REACH_ALIKE, REACH)  # NaN is not
    possible = ((overlap >= OVERLAP) | (sized_alike & (away <= reach))) & ~(distances > VETO)
    costs = (1 - overlap) + away + TIE * np.nan_to_num(distances, nan=1.0)
    return np.where(possible, costs, np.inf)


def _greedily(costs: np.ndarray) -> Iterator[tuple[int, int]]:
    costs = costs.copy()
    for _ in range(min(costs.shape)):
        track, face = divmod(int(costs.argmin()), costs.shape[1])
        if not np.isfinite(costs[track, face]):
            return
        yield track, face
        costs[track], costs[:, face] = np.inf, np.inf


def as_row(box: "Box") -> Row:
    return box.x, box.y, box.width, box.height


def as_rows(boxes: Sequence[Row]) -> np.ndarray:
    return np.array(boxes, "float64").reshape(-1, 4)


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.maximum(boxes[:, 2] * boxes[:, 3], 1e-9)


def _iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    a, b = first[:, None], second[None]
    shared = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = np.maximum(shared, 0).prod(-1)
    return both / (_area(first)[:, None] + _area(second)[None] - both)


def _away(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Between the centres, in widths of the first."""
    a, b = first[:, None], second[None]
    between = (a[..., :2] + a[..., 2:] / 2) - (b[..., :2] + b[..., 2:] / 2)
    return np.hypot(between[..., 0], between[..., 1]) / np.maximum(first[:, 2], 1e-9)[:, None]
