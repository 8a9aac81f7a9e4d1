"""An image halved again and again (mipmaps), so that any part of it can be shrunk quickly and without aliasing."""

import cv2
import numpy as np

SMALLEST = 16  # px; no level is smaller, as no face could be found in it


class Mips:
    """The levels of one image, each half the size of the one before. A point at x lies at x / 2 in the next level."""

    def __init__(self, image: np.ndarray):
        """image: uint8 RGB (h, w, 3)."""
        self.levels = [image]

    def level(self, shrink: float) -> int:
        """Returns the number of the smallest level that still has every pixel of the image shrunk by `shrink`."""
        number = max(int(np.log2(max(shrink, 1.0))), 0)
        while len(self.levels) <= number and min(self.levels[-1].shape[:2]) >= 2 * SMALLEST:
            last = self.levels[-1]
            height, width = last.shape[0] // 2, last.shape[1] // 2
            half = cv2.resize(last[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
            self.levels.append(half)
        return min(number, len(self.levels) - 1)

    def resized(self, width: int, height: int) -> np.ndarray:
        """Returns the whole image, shrunk to width x height px."""
        rows, columns = self.levels[0].shape[:2]
        source = self.levels[self.level(min(rows / height, columns / width))]
        return cv2.resize(source, (width, height), interpolation=cv2.INTER_LINEAR)

    def crops(self, squares: np.ndarray, size: int) -> np.ndarray:
        """Returns squares (n, 3 or more: x1, y1, x2, …) of the image at size x size px, black beyond the image; uint8 RGB
        (n, size, size, 3)."""
        out = np.empty((len(squares), size, size, 3), "uint8")
        if not len(squares):
            return out
        steps = np.maximum(squares[:, 2] - squares[:, 0], 1.0) / size
        numbers = np.log2(np.maximum(steps, 1.0)).astype(int)
        numbers = np.minimum(numbers, self.level(float(steps.max())))
        scales = 0.5**numbers
        matrices = np.zeros((len(squares), 2, 3))
        matrices[:, 0, 0] = matrices[:, 1, 1] = steps = steps * scales
        matrices[:, :, 2] = squares[:, :2] * scales[:, None] + 0.5 * steps[:, None] - 0.5
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        for number, matrix, crop in zip(numbers.tolist(), matrices, out, strict=True):
            cv2.warpAffine(self.levels[number], matrix, (size, size), dst=crop, flags=flags)
        return out
