"""Reads photo files, and draws and writes pictures. Imports no MXNet, because the web process uses it too."""

import io
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pillow_heif
from PIL import Image, ImageDraw, ImageFont, ImageOps

from recognition.engine.base import Box, PhotoError

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 40_000_000
START_OF_SCAN = b"\xff\xda"
MAX_SCANS = 100  # programs write up to 20
MAX_SCANNED_PIXELS = 1_000_000_000  # scans times pixels: some seconds of decoding
DECODING_BYTES = 8  # for each pixel, while a photo is decoded
SPARE_BYTES = 16 * 2**20
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "ICO", "PPM")
FORMAT_NAMES = "JPEG, PNG, WebP, GIF, BMP, TIFF or HEIC"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

Image.init()  # registers every plugin, so that formats can be named
pillow_heif.register_heif_opener()
# Ours checks the size in the header; this is Pillow's guard, for files whose true size shows only while decoding.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class ImageInfo:
    format: str
    content_type: str
    width: int
    height: int


def inspect(data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> ImageInfo:
    """Reads the file's header, without decoding any pixels. Raises PhotoError, and MemoryError: that is not the photo's fault."""
    if not data:
        raise PhotoError("invalid_image", "The file is empty. Send a photo.")
    if len(data) > max_bytes:
        raise PhotoError(
            "image_too_large",
            f"The file has {len(data) / 2**20:.1f} MiB, more than the {max_bytes / 2**20:.0f} MiB allowed. Send a smaller one.",
        )
    with _open(data, max_pixels) as image:
        kind = image.format or ""
        if kind in ("JPEG", "MPO"):
            _check_scans(data, image.width * image.height)
        content_type = Image.MIME.get(kind, "application/octet-stream")
        return ImageInfo(kind, content_type, image.width, image.height)


@dataclass(frozen=True, slots=True)
class Decoded:
    """image: uint8 RGB, EXIF orientation applied. width, height: at full size. shrink: how many times smaller `image` is."""

    image: np.ndarray
    width: int
    height: int
    shrink: int


def decode(data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decodes the first frame: uint8 RGB (h, w, 3), EXIF orientation applied, transparency on white.

    Raises PhotoError, and MemoryError if there is too little memory for a photo of this size.
    """
    return decode_reduced(data, None, max_bytes=max_bytes, max_pixels=max_pixels).image


def decode_reduced(
    data: bytes, long_side: int | None, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS
) -> Decoded:
    """As `decode`, but a JPEG at a half, a quarter or an eighth of its size, the smallest that leaves `long_side` px.

    JPEG decoders can skip the rest, which takes a fraction of the time and memory.
    """
    info = inspect(data, max_bytes=max_bytes, max_pixels=max_pixels)
    whole = (info.width, info.height)
    try:
        with _open(data, max_pixels) as image:
            if long_side and image.format == "JPEG":
                _draft(image, long_side)
            image.load()
            shrink = -(-whole[0] // image.width)
            upright = ImageOps.exif_transpose(image)
            if upright.size != image.size:
                whole = whole[::-1]
            return Decoded(np.asarray(_to_rgb(upright)), *whole, shrink)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(max_pixels) from error
    except Exception as error:
        _require_memory(error, whole)
        raise PhotoError(
            "invalid_image", "The photo is damaged or incomplete: its pixels cannot be read. Send it again, or another."
        ) from error


def _draft(image: Image.Image, long_side: int) -> None:
    for shrink in (8, 4, 2):
        if max(image.size) >= shrink * long_side:
            image.draft(None, (image.width // shrink, image.height // shrink))
            return


def encode_jpeg(rgb: np.ndarray, quality: int = 92) -> bytes:
    """Encodes uint8 RGB (h, w, 3) as JPEG. quality: 1–95."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=quality)
    return out.getvalue()


def annotate(rgb: np.ndarray, faces: Sequence[tuple[Box, str, str]]) -> bytes:
    """Draws each face's (box, label, colour) on the photo, uint8 RGB; returns a JPEG."""
    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    line = max(2, round(max(image.size) / 400))
    font = _font(max(12, round(max(image.size) / 50)))
    for box, label, colour in faces:
        draw.rectangle((box.x, box.y, box.x + box.width, box.y + box.height), outline=colour, width=line)
        _draw_label(draw, font, box, _drawable(label), colour, image.size)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def _open(data: bytes, max_pixels: int) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(max_pixels) from error
    except Exception as error:
        _require_memory(error)
        message = f"The file is not a photo that can be read. Send {FORMAT_NAMES}."
        raise PhotoError("invalid_image", message) from error
    if image.width * image.height == 0:
        raise PhotoError("invalid_image", "The photo has no pixels: its width or height is 0. Send another.")
    if image.width * image.height > max_pixels:
        raise _too_many_pixels(max_pixels)
    return image


def _require_memory(error: Exception, size: tuple[int, int] = (0, 0)) -> None:
    """Raises MemoryError if a decoder failed for want of memory, which most report as if the file were damaged.

    size: the photo's, in px. So much has to be free for the failure to be the file's.
    """
    if isinstance(error, PhotoError):
        return
    if isinstance(error, MemoryError):
        raise error
    try:
        np.empty(size[0] * size[1] * DECODING_BYTES + SPARE_BYTES, "uint8")
    except MemoryError:
        raise MemoryError(f"too little memory to decode a photo of {size[0]} × {size[1]} px") from error


def _check_scans(data: bytes, pixels: int) -> None:
    """Raises PhotoError if a JPEG has so many scans, each over all pixels, that it would take minutes to decode.

    Counts markers in the bytes: a thumbnail's count too, but no scan can hide, as FF is escaped within one.
    """
    scans = data.count(START_OF_SCAN)
    if scans > MAX_SCANS or scans * pixels > MAX_SCANNED_PIXELS:
        raise PhotoError(
            "invalid_image",
            f"The JPEG is made of {scans} layers (scans), more than any camera or program writes for a photo of its size. "
            "Save it again, or send another photo.",
        )


def _too_many_pixels(max_pixels: int) -> PhotoError:
    return PhotoError(
        "image_too_large", f"The photo has more than {max_pixels / 1e6:.0f} megapixels. Send a smaller version of it."
    )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _sixteen_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _sixteen_bits(image: Image.Image) -> Image.Image:
    """Converts greyscale of more than 8 bits, which Pillow's own conversion would clip."""
    values = np.asarray(image, dtype="float64")
    scale = 255.0 / 65535.0 if image.mode != "F" and values.max(initial=0) > 255 else 1.0
    return Image.fromarray(np.clip(values * scale, 0, 255).astype("uint8")).convert("RGB")


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
