"""Draws boxes and names on a photo."""

import io
import unicodedata
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from recognition.engine.base import Box

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def annotate(rgb: np.ndarray, faces: Sequence[tuple[Box, str, str]], *, quality: int = 90) -> bytes:
    """Draws each face's (box, label, colour) on the photo, uint8 RGB; returns a JPEG of this quality."""
    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    line = max(2, round(max(image.size) / 400))
    font = _font(max(12, round(max(image.size) / 50)))
    for box, label, colour in faces:
        draw.rectangle((box.x, box.y, box.x + box.width, box.y + box.height), outline=colour, width=line)
        _draw_label(draw, font, box, _drawable(label), colour, image.size)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _font(size: int) -> Font:
    for name in ("NotoSans-Regular.ttf", "DejaVuSans.ttf", "LiberationSans-Regular.ttf"):
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _drawable(label: str) -> str:
    """Reduces a label to Latin letters, as the fonts at hand may not have those of other scripts."""
    folded = "".join(c for c in unicodedata.normalize("NFKD", label) if not unicodedata.combining(c))
    return label if label.isascii() else folded.encode("latin-1", "replace").decode("latin-1")


def _draw_label(
    draw: ImageDraw.ImageDraw, font: Font, box: Box, label: str, colour: str, size: tuple[int, int]
) -> None:
    if not label:
        return
    left, top, right, bottom = draw.textbbox((0, 0), label, font=font)
    width, height = right - left + 8, bottom - top + 8
    x = min(max(box.x, 0), max(size[0] - width, 0))
    y = box.y - height if box.y >= height else min(box.y + box.height, size[1] - height)
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    draw.text((x + 4 - left, y + 4 - top), label, font=font, fill="white")
