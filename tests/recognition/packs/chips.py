"""Chips that are the same everywhere: seeded noise, a ramp, and fixed parts of two public-domain portraits."""

from pathlib import Path

import matplotlib
import numpy as np
import skimage
from PIL import Image

# left, top, right, bottom in the photo
CUTS = {
    "hopper": (Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg", (170, 60, 390, 280)),
    "collins": (Path(skimage.__file__).parent / "data" / "astronaut.png", (160, 40, 290, 170)),
}


def golden_chips(size: int = 150) -> dict[str, np.ndarray]:
    """uint8 RGB (size, size, 3) each; the same bytes on every machine (nearest-neighbour resizing has no rounding)."""
    random = np.random.default_rng(2026)
    chips = {"noise": random.integers(0, 256, (size, size, 3), dtype="uint8")}
    ramp = np.linspace(0, 255, size).astype("uint8")
    chips["ramp"] = np.stack(
        [np.tile(ramp, (size, 1)), np.tile(ramp[:, None], (1, size)), np.full((size, size), 90, "uint8")], -1
    )
    for name, (path, box) in CUTS.items():
        with Image.open(path) as photo:
            part = photo.convert("RGB").crop(box)
        chips[name] = np.asarray(part.resize((size, size), Image.Resampling.NEAREST))
    return chips
