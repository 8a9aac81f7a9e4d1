"""A photo as browsers show it: most as they are, the others as JPEG."""

import io

import cv2
from PIL import Image

from recognition.engine.image import decode_reduced, encode_jpeg

SHOWN_BY_BROWSERS = {"image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/avif"}
LONG_SIDE = 2560  # px, of what is converted


def as_jpeg_if_needed(data: bytes, content_type: str, *, max_pixels: int) -> bytes | None:
    """The photo as JPEG, at most LONG_SIDE px; None if browsers show it as it is. Raises PhotoError.

    Of an animation, the frame in which faces were looked for.
    """
    if content_type in SHOWN_BY_BROWSERS and not _is_animated(data):
        return None
    return as_jpeg(data, LONG_SIDE, max_pixels=max_pixels)


def as_jpeg(data: bytes, long_side: int, *, max_pixels: int) -> bytes:
    """The photo as JPEG of at most `long_side` px. Raises PhotoError."""
    image = decode_reduced(data, long_side, max_bytes=len(data), max_pixels=max_pixels).image
    scale = long_side / max(image.shape[:2])
    if scale < 1:
        size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return encode_jpeg(image)


def _is_animated(data: bytes) -> bool:
    if data.startswith(b"\xff\xd8"):
        return False  # a JPEG's further pictures are its previews and gain map
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "WEBP", "GIF", "AVIF")) as image:
            return bool(getattr(image, "is_animated", False))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return False
