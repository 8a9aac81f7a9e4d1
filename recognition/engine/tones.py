"""Turns pixels of any kind into 8 bits of red, green and blue: wide greys and colours, transparency."""

import cv2
import numpy as np
from PIL import Image

FLAT = 12  # a picture whose colours differ by less shows nothing


def to_rgb(image: Image.Image) -> Image.Image:
    """Transparency lies on white, unless the whole picture is transparent but has colours: then its alpha is ignored."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return Image.fromarray(scaled(np.asarray(image))).convert("RGB")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    image = image.convert("RGBA")
    if image.getchannel("A").getextrema()[1] == 0 and shows_something(image.convert("RGB")):
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def shows_something(rgb: Image.Image) -> bool:
    """Whether a picture is more than one colour."""
    return any(high - low >= FLAT for low, high in rgb.getextrema())  # type: ignore[misc]  # one pair for each band


def scaled(values: np.ndarray) -> np.ndarray:
    """Scales numbers of more than 8 bits to what they hold, and returns them as uint8.

    Whole numbers: white is the largest of as many bits as the largest value needs, of 8, 10, 12, 14, 16, 24, 31 or 32.
    Fractions: white is 1, if nearly all are at most that; else 255 or the largest. What is below 0 becomes black, or the
    darkest value does if much is below 0.
    """
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        low, white = _range_of_fractions(values)
    else:
        low, high = min(int(values.min(initial=0)), 0), int(values.max(initial=0))
        white = next(2**bits - 1 for bits in (8, 10, 12, 14, 16, 24, 31, 32, 33) if high - low < 2**bits)
    if low:
        values = values.astype("float64") - low
    if values.dtype not in (np.uint16, np.float32, np.float64):
        values = values.astype("float64")
    return cv2.convertScaleAbs(np.maximum(values, 0), alpha=255.0 / white)


def _range_of_fractions(values: np.ndarray) -> tuple[float, float]:
    sample = values.ravel()[:: max(values.size // 100_000, 1)]
    if not sample.size:
        return 0.0, 1.0
    low, middle, high = (float(value) for value in np.percentile(sample, (2, 50, 98)))
    low = low if low < -0.02 * max(high, 1e-9) else 0.0
    high -= low
    if high <= 1.0:
        return low, 1.0 if middle - low > 1 / 255 else max(high, 1e-9)
    return low, 255.0 if 16 < high <= 255 else high
