"""What is done to a chip before the net sees it: mirrored, as published; more where it is asked for."""

import cv2
import numpy as np

DEGREES, SCALE, SHIFT = 6.0, 0.06, 4.0  # most that a face is turned, enlarged or shrunk, moved (px)
LIGHT, CONTRAST = 30.0, 0.25
SMALLEST = 0.35  # of its sides, that a face may be shrunk to and enlarged again


def mirrored(chip: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One in two."""
    return chip[:, ::-1] if random.random() < 0.5 else chip


def augmented(chip: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Turned, scaled and moved a little, in another light; one in five grey, one in five blurred; uint8 RGB."""
    size = chip.shape[0]
    turn = cv2.getRotationMatrix2D(
        (size / 2, size / 2), random.uniform(-DEGREES, DEGREES), 1 + random.uniform(-SCALE, SCALE)
    )
    turn[:, 2] += random.uniform(-SHIFT, SHIFT, 2)
    chip = cv2.warpAffine(np.ascontiguousarray(chip), turn, (size, size), flags=cv2.INTER_LINEAR)
    grey, blurred = random.random(2) < 0.2
    if grey:
        chip = cv2.cvtColor(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if blurred:
        small = max(round(size * random.uniform(SMALLEST, 0.8)), 8)
        chip = cv2.resize(chip, (small, small), interpolation=cv2.INTER_AREA)
        chip = cv2.resize(chip, (size, size), interpolation=cv2.INTER_LINEAR)
    contrast, light = 1 + random.uniform(-CONTRAST, CONTRAST), random.uniform(-LIGHT, LIGHT)
    return np.clip((chip.astype("float32") - 127.5) * contrast + 127.5 + light, 0, 255).astype("uint8")
