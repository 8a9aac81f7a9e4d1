"""All sizes of a photo on one canvas, so that P-net looks at them in one run."""

from dataclasses import dataclass

import numpy as np

from recognition.engine.mips import Mips

FACTOR = 0.709  # between two sizes: half the area
ROUND_TO = 16  # px; few shapes of canvas, whose memory plans can be kept


@dataclass(frozen=True, slots=True)
class Placed:
    """A size of the photo: where on the canvas it lies, and how many px of the photo one of its px is."""

    x: int
    y: int
    width: int
    height: int
    step: tuple[float, float]


def canvas(mips: Mips, first: float, cell: int) -> tuple[np.ndarray, list[Placed]]:
    """The photo at scales first, first * FACTOR, … down to `cell` px, side by side; uint8 RGB.

    Sides and places are even, so that a net of stride 2 sees each size as it would see it alone. Empty where the photo
    is smaller than `cell` px at its first scale.
    """
    height, width = mips.levels[0].shape[:2]
    sizes = []
    scale = first
    while min(height, width) * scale >= cell:
        sizes.append(tuple(2 * max(int(np.ceil(side * scale / 2)), 1) for side in (width, height)))
        scale *= FACTOR
    corners = _packed(sizes)
    placed = [Placed(*c, *s, (width / s[0], height / s[1])) for c, s in zip(corners, sizes, strict=True)]
    right, bottom = (max((c[i] + s[i] for c, s in zip(corners, sizes, strict=True)), default=0) for i in (0, 1))
    whole = np.zeros((-(-bottom // ROUND_TO) * ROUND_TO, -(-right // ROUND_TO) * ROUND_TO, 3), "uint8")
    for part in placed:
        whole[part.y : part.y + part.height, part.x : part.x + part.width] = mips.resized(part.width, part.height)
    return whole, placed


def _packed(sizes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Upper left corners for rectangles of falling sizes: each into the first gap that takes it, the widest width first."""
    gaps = [(0, 0, sizes[0][0], 1 << 30)] if sizes else []
    corners = []
    for width, height in sizes:
        x, y, free_width, free_height = next(gap for gap in gaps if gap[2] >= width and gap[3] >= height)
        gaps.remove((x, y, free_width, free_height))
        corners.append((x, y))
        gaps += [(x + width, y, free_width - width, height), (x, y + height, free_width, free_height - height)]
        gaps.sort(key=lambda gap: (gap[1], gap[0]))
    return corners
