"""Colour photos with more than 8 bits for each colour, PNG and TIFF, which Pillow would cut to 8 bits or cannot open."""

import cv2
import numpy as np
from PIL import Image

from recognition.engine import tiff
from recognition.engine.tones import scaled

COLOURS = (2, 4, 6)  # a PNG's colour types with more than one sample
ALPHAS = (1, 2)  # kinds of a TIFF's extra sample that are transparency


def is_wide(data: bytes, kind: str) -> bool:
    """Whether a PNG or TIFF has colours of more than 8 bits."""
    if kind == "PNG":
        return len(data) > 25 and data[24] == 16 and data[25] in COLOURS
    return kind == "TIFF" and _wide_directory(data) is not None


def tiff_size(data: bytes) -> tuple[int, int]:
    """Width and height of a wide TIFF."""
    directory = _wide_directory(data)
    assert directory is not None
    return directory.first(tiff.WIDTH), directory.first(tiff.HEIGHT)


def read_wide(data: bytes, kind: str) -> Image.Image | None:
    """RGB or RGBA, scaled to what it holds; None if OpenCV cannot read it. A TIFF is upright already, a PNG is not."""
    values = cv2.imdecode(np.frombuffer(data, "uint8"), cv2.IMREAD_UNCHANGED)
    if values is None or values.ndim != 3 or values.shape[2] not in (3, 4):
        return None
    colours = scaled(values[:, :, :3])[:, :, ::-1]
    if values.shape[2] == 3 or not _has_alpha(data, kind):
        return Image.fromarray(np.ascontiguousarray(colours))
    most = 2.0 ** (8 * values.dtype.itemsize) - 1 if values.dtype.kind == "u" else 1.0
    alpha = cv2.convertScaleAbs(values[:, :, 3], alpha=255.0 / most)
    return Image.fromarray(np.dstack([colours, alpha]))


def _has_alpha(data: bytes, kind: str) -> bool:
    directory = _wide_directory(data) if kind == "TIFF" else None
    return directory is None or directory.first(tiff.EXTRA_SAMPLES) in ALPHAS


def _wide_directory(data: bytes) -> tiff.Directory | None:
    found = tiff.directories(data)[:1]
    if not found or found[0].first(tiff.PHOTOMETRIC) not in (tiff.RGB, tiff.LOG_LUV):
        return None
    if found[0].first(tiff.SAMPLES) not in (3, 4):
        return None
    return found[0] if found[0].first(tiff.BITS) > 8 else None
