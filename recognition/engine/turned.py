"""Whether faces stand upright, by a net that scores a face the highest when it does."""

from collections.abc import Callable

import numpy as np


def quarter_turns(crops: np.ndarray, score: Callable[[np.ndarray], np.ndarray], least: float) -> int:
    """By how many quarter turns, counter-clockwise, the faces score higher than upright, by more than `least` on average; 0–3.

    crops: one of each face, uint8 (n, size, size, 3). score: of such crops, 0–1, (n,). Turned faces are scored one by one, until
    no turn could score enough even if all that are left had a 1: mostly none is needed, and hardly ever more than one.
    """
    enough = score(crops).sum() + least * len(crops)
    turned = np.zeros(3)
    for number, crop in enumerate(crops):
        if turned.max() + len(crops) - number <= enough:
            return 0
        turned += score(np.stack([np.rot90(crop, turns) for turns in (1, 2, 3)]))
    best = int(turned.argmax())
    return best + 1 if turned[best] > enough else 0
