"""Draws all sizes of a photo on one canvas, so that P-net searches them in one run."""

from dataclasses import dataclass

import numpy as np

from recognition.engine.mips import Mips

FACTOR = 0.709  # between two sizes: half the area
ROUND_TO = 16  # px; so there are few shapes of canvas, and their memory plans can be kept


@dataclass(frozen=True, slots=True)
class Placed:
    """Where one size of the photo lies on the canvas. step: how many px of the photo one of its px is, across and down."""

    x: int
    y: int
    width: int
    height: int
    step: tuple[float, float]


def canvas(mips: Mips, first: float, cell: int) -> tuple[np.ndarray, list[Placed]]:
    """Draws the photo at scales first, first * FACTOR, … down to `cell` px side by side; uint8 RGB, and where each lies.

    Sides and positions are even, so that a net of stride 2 sees each size as it would see it alone. Empty if the photo is
    smaller than `cell` px at the first scale.
    """
    height, width = mips.levels[0].shape[:2]
    sizes = []
    scale = first
    while min(height, width) * scale >= cell:
        sizes.append((_even(width * scale), _even(height * scale)))
        scale *= FACTOR
    placed = [
        Placed(x, y, *size, (width / size[0], height / size[1]))
        for (x, y), size in zip(_packed_corners(sizes), sizes, strict=True)
    ]
    right = max((part.x + part.width for part in placed), default=0)
    bottom = max((part.y + part.height for part in placed), default=0)
    whole = np.zeros((-(-bottom // ROUND_TO) * ROUND_TO, -(-right // ROUND_TO) * ROUND_TO, 3), "uint8")
    for part in placed:
        whole[part.y : part.y + part.height, part.x : part.x + part.width] = mips.resized(part.width, part.height)
    return whole, placed


def _even(side: float) -> int:
    return 2 * max(int(np.ceil(side / 2)), 1)


def _packed_corners(sizes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Upper left corners for rectangles from large to small: each goes into the topmost gap that it fits, then the leftmost."""
    gaps = [(0, 0, sizes[0][0], 1 << 30)] if sizes else []
    corners = []
    for width, height in sizes:
        x, y, free_width, free_height = next(gap for gap in gaps if gap[2] >= width and gap[3] >= height)
        gaps.remove((x, y, free_width, free_height))
        corners.append((x, y))
        gaps += [(x + width, y, free_width - width, height), (x, y + height, free_width, free_height - height)]
        gaps.sort(key=lambda gap: (gap[1], gap[0]))
    return corners
