"""Drawn faces, to check nets with when no photo is at hand. They show no real person."""

from collections.abc import Iterable

import cv2
import numpy as np

SKINS = ((224, 178, 150), (141, 92, 66), (246, 214, 190), (92, 58, 42))


def faces(count: int, size: int, *, seed: int = 7) -> np.ndarray:
    """Draws `count` different faces, with eyes and nose about where aligned chips have them; uint8 RGB (count, size, size, 3)."""
    random = np.random.default_rng(seed)
    return np.stack([_face(random, SKINS[number % len(SKINS)], size) for number in range(count)])


def scene(width: int, height: int, *, seed: int = 7) -> np.ndarray:
    """Draws four faces of different sizes on an uneven background; uint8 RGB (height, width, 3)."""
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 215, (6, 8, 3)).astype("uint8")
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for number, share in enumerate((0.5, 0.35, 0.25, 0.18)):
        size = max(int(min(width, height) * share), 8)
        x = int((width - size) * (number + 0.5) / 4)
        y = int((height - size) * random.uniform(0.1, 0.9))
        image[y : y + size, x : x + size] = _face(random, SKINS[number], size)
    return image


def _face(random: np.random.Generator, skin: tuple[int, int, int], size: int) -> np.ndarray:
    large = 4 * size
    image = np.full((large, large, 3), random.integers(30, 200, 3), "uint8")

    def at(x: float, y: float) -> tuple[int, int]:
        return round((x + random.normal(0, 0.008)) * large), round((y + random.normal(0, 0.008)) * large)

    def ellipse(centre: tuple[int, int], axes: tuple[float, float], colour: Iterable[float]) -> None:
        radii = tuple(max(round(axis * large), 1) for axis in axes)
        cv2.ellipse(image, centre, radii, 0, 0, 360, [int(c) for c in colour], -1, cv2.LINE_AA)

    ellipse(at(0.5, 0.42), (0.40, 0.46), random.integers(10, 110, 3))  # hair
    ellipse(at(0.5, 0.53), (0.33, 0.42), skin)
    for x in (0.33, 0.67):
        ellipse(at(x, 0.40), (0.085, 0.042), (240, 240, 240))
        ellipse(at(x, 0.40), (0.036, 0.040), random.integers(10, 90, 3))
        ellipse(at(x, 0.31), (0.095, 0.018), random.integers(10, 80, 3))
    ellipse(at(0.5, 0.56), (0.045, 0.080), np.array(skin) * 0.86)
    ellipse(at(0.5, 0.76), (0.130, 0.036), (168, 72, 76))
    light = np.linspace(random.uniform(0.7, 1.0), random.uniform(0.7, 1.0), large)[None, :, None]
    small = cv2.resize((image * light).astype("uint8"), (size, size), interpolation=cv2.INTER_AREA)
    return np.clip(small + random.normal(0, 4, small.shape), 0, 255).astype("uint8")
