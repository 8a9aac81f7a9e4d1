"""Verification sets for tests: files in the published layout, plain crops, and a cheap net for them."""

import io
import pickle
from pathlib import Path

import numpy as np
from PIL import Image


def jpeg(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=95)
    return out.getvalue()


def tile(person: int, look: int) -> np.ndarray:
    """A plain grey crop, uint8 RGB (112, 112, 3): people are 4 grey levels apart, looks of a person 1."""
    return np.full((112, 112, 3), 4 * person + look, "uint8")


def grey(chips: np.ndarray) -> np.ndarray:
    """A net for tiles, which puts them on a line by their grey level; float32 (n, 2)."""
    level = chips.reshape(len(chips), -1).mean(1).astype("float32")
    return np.stack([level, np.full_like(level, 1.0)], 1)


def write_bin(path: Path, images: list, same: list, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps((images, same), protocol=protocol))
    return path
