"""Parts of a camera's picture that are not looked at, such as a screen that shows faces or a street behind a window."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from recognition.engine.base import Box


class Mask:
    """polygons: each of at least three points (x, y), as shares 0–1 of the picture's sides. Raises ValueError."""

    def __init__(self, polygons: Sequence[Sequence[Sequence[float]]] = ()):
        self._polygons = [_checked(polygon) for polygon in polygons]

    def visible(self, width: int, height: int) -> np.ndarray:
        """Which cells of a grid over the picture are looked at; bool (height, width)."""
        y, x = np.mgrid[:height, :width]
        centres = np.stack([(x.ravel() + 0.5) / width, (y.ravel() + 0.5) / height], 1)
        return ~self._covers(centres).reshape(height, width)

    def hides(self, box: "Box", width: int, height: int) -> bool:
        """Whether the centre of `box` is masked. width, height: of the frame, px."""
        centre = [(box.x + box.width / 2) / width, (box.y + box.height / 2) / height]
        return bool(self._covers(np.clip([centre], 0, np.nextafter(1, 0)))[0])  # a face may stand out of the frame

    def _covers(self, points: np.ndarray) -> np.ndarray:
        covered = np.zeros(len(points), bool)
        for polygon in self._polygons:
            covered |= _inside(points, polygon)
        return covered


def _checked(polygon: Sequence[Sequence[float]]) -> np.ndarray:
    try:
        corners = np.array(polygon, "float64")
    except (TypeError, ValueError) as error:
        raise ValueError("a mask's polygon is a list of points [x, y]") from error
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise ValueError("a mask's polygon has at least three points [x, y]")
    if not ((corners >= 0) & (corners <= 1)).all():
        raise ValueError("a mask's points lie between 0 and 1")
    return corners


def _inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Whether a line from each point to the left meets the polygon's sides an odd number of times; bool (n,)."""
    x, y = points[:, :1], points[:, 1:]
    (x1, y1), (x2, y2) = polygon.T, np.roll(polygon, -1, 0).T
    crosses = (y1 > y) != (y2 > y)
    with np.errstate(divide="ignore", invalid="ignore"):  # level sides are not crossed
        meets = x1 + (y - y1) * (x2 - x1) / (y2 - y1)
    return (crosses & (meets <= x)).sum(1) % 2 == 1
