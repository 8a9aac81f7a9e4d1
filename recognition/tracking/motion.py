"""Decides which frames of a camera are worth analysing: those in which something moves, and one every two seconds."""

import cv2
import numpy as np

from recognition.tracking.mask import Mask

WIDTH, HEIGHT = 160, 90
LEARNING = 0.05  # share of a frame that goes into the background
DIFFERENT = 18.0  # grey values, beside what the whole picture became lighter or darker by
SOME, MOST = 0.002, 0.30  # share of the pixels
REGULARLY = 2.0  # seconds


class MotionGate:
    """Of one camera. Costs about half a millisecond a frame.

    changed: the share of the visible pixels in which the last frame differed from the background.
    """

    def __init__(self, mask: Mask | None = None):
        self._visible = (mask or Mask()).visible(WIDTH, HEIGHT)
        self._background: np.ndarray | None = None
        self._analysed_at = 0.0
        self.changed = 0.0

    def look(self, luma: np.ndarray, *, at: float, tracking: bool) -> bool:
        """Returns whether to analyse this frame. luma: the Y plane, uint8 (h, w). tracking: whether a track is open."""
        if not self._visible.any():
            return False
        first = self._background is None
        self._compare(luma)
        waited = not 0 <= at - self._analysed_at < REGULARLY  # also if the clock was set back
        if wanted := first or tracking or waited or self.changed > SOME:
            self._analysed_at = at
        return wanted

    def _compare(self, luma: np.ndarray) -> None:
        small = cv2.blur(cv2.resize(luma, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), (3, 3))
        frame = small[self._visible].astype("float32")
        if self._background is None:
            self._background = frame
        difference = frame - self._background
        difference -= np.median(difference)
        self.changed = float((np.abs(difference) > DIFFERENT).mean())
        if self.changed > MOST:  # lights went on or off, the exposure jumped or the camera was turned: a new background
            self._background = frame
        else:
            self._background += LEARNING * (frame - self._background)
