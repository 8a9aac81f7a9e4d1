"""Changes a chip before the net sees it: mirrored, as published, and more if asked for."""

import cv2
import numpy as np

# The most that a face is rotated, scaled, shifted (px), made lighter or darker (of 255), and changed in contrast.
DEGREES, SCALE, SHIFT, LIGHT, CONTRAST = 6.0, 0.06, 4.0, 30.0, 0.25
SMALLEST = 0.35  # a face is blurred by shrinking it to this share of its size or more, and enlarging it again


def mirrored(chip: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Mirrors every second chip on average."""
    return chip[:, ::-1] if random.random() < 0.5 else chip


def augmented(chip: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Rotates, scales and shifts a chip a little and changes its light; greys one in five and blurs one in five.

    Returns uint8 RGB of the same shape.
    """
    size = chip.shape[0]
    degrees, scale = random.uniform(-DEGREES, DEGREES), 1 + random.uniform(-SCALE, SCALE)
    matrix = np.asarray(cv2.getRotationMatrix2D((size / 2, size / 2), degrees, scale), "float64")
    matrix[:, 2] += random.uniform(-SHIFT, SHIFT, 2)
    chip = cv2.warpAffine(np.ascontiguousarray(chip), matrix, (size, size), flags=cv2.INTER_LINEAR)
    grey, blurred = random.random(2) < 0.2
    if grey:
        chip = cv2.cvtColor(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if blurred:
        small = max(round(size * random.uniform(SMALLEST, 0.8)), 8)
        chip = cv2.resize(chip, (small, small), interpolation=cv2.INTER_AREA)
        chip = cv2.resize(chip, (size, size), interpolation=cv2.INTER_LINEAR)
    contrast, light = 1 + random.uniform(-CONTRAST, CONTRAST), random.uniform(-LIGHT, LIGHT)
    return np.clip((chip.astype("float32") - 127.5) * contrast + 127.5 + light, 0, 255).astype("uint8")
