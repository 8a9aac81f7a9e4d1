"""Reads photo files, and writes pictures. Imports no MXNet, because the web process uses it too."""

import io
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pillow_heif
from PIL import Image, ImageOps

from recognition.engine import jpeg, tiff
from recognition.engine.base import PhotoError
from recognition.engine.formats import foreign, sniff
from recognition.engine.frames import seek_to_something
from recognition.engine.jpeg import check_scans
from recognition.engine.texts import gettext_noop
from recognition.engine.tiles import PANORAMA
from recognition.engine.tones import to_rgb
from recognition.engine.truncated import LEAST_SHOWN, completed, rows_shown
from recognition.engine.wide import is_wide, read_wide, tiff_size

MAX_BYTES = 25 * 1024 * 1024
MAX_PIXELS = 40_000_000
# How many times `max_pixels` a photo may have that is decoded smaller: a JPEG by its decoder, a HEIC right after it.
CLAIMED = {"JPEG": 5.0, "HEIF": 1.5}
SHARE = {"JPEG2000": 0.5}  # of `max_pixels` that is decoded at once, as its decoder takes more memory
SHRINKS = (1, 2, 4, 8)
ORIENTATION = 0x0112  # the EXIF tag
DECODING_BYTES = 8  # for each pixel, while a photo is decoded
SPARE_BYTES = 16 * 2**20
# The name of each format that formats.py knows → the plugin of Pillow that reads it.
PLUGINS = {
    "JPEG": "JPEG",
    "PNG": "PNG",
    "WebP": "WEBP",
    "GIF": "GIF",
    "BMP": "BMP",
    "DIB": "DIB",
    "TIFF": "TIFF",
    "HEIC": "HEIF",
    "AVIF": "AVIF",
    "JPEG 2000": "JPEG2000",
    "ICO": "ICO",
    "TGA": "TGA",
    "PPM": "PPM",
}
FORMAT_NAMES = gettext_noop("JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC")
SEQUENCES = (b"msf1", b"hevc", b"hevx")  # the brands of a film of pictures
RAW_TYPE = "image/x-raw"
DAMAGED = gettext_noop("The photo is damaged or incomplete: its pixels cannot be read. Send it again, or another.")
NO_PREVIEW = gettext_noop(
    "The camera's raw file has no full-sized preview to look at. Export the photo as JPEG, and send that."
)

Image.init()  # registers every plugin, so that formats can be named
pillow_heif.register_heif_opener()
# Ours checks the size in the header; this is Pillow's guard, for a picture within the file, as in an icon.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class ImageInfo:
    format: str
    content_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Source:
    """What is decoded: the file, or the preview in a raw file. orientation: EXIF's, of a preview that says none itself."""

    kind: str
    data: bytes
    content_type: str = ""
    orientation: int = 1

    @property
    def plugin(self) -> str:
        return PLUGINS[self.kind]


def inspect(
    data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS, size: int | None = None
) -> ImageInfo:
    """Reads the file's header, without decoding any pixels. size: the file's, in bytes, if `data` is only its beginning.

    Width and height are those of the preview of a raw file, and otherwise the photo's own, however it will be decoded.
    Raises PhotoError, and MemoryError: that is not the photo's fault.
    """
    return _inspect(_source(data, max_bytes, size), max_pixels)


def check_bytes(size: int, max_bytes: int) -> None:
    """Raises PhotoError if a file of `size` bytes is too large."""
    if size > max_bytes:
        shown = math.ceil(size / 2**20 * 10) / 10  # never as much as is allowed
        message = gettext_noop("The file has %(size)s MiB, more than the %(most)s MiB allowed. Send a smaller one.")
        raise PhotoError("image_too_large", message % {"size": f"{shown:.1f}", "most": f"{max_bytes / 2**20:.0f}"})


def _source(data: bytes, max_bytes: int, size: int | None = None) -> _Source:
    if not data:
        raise PhotoError("invalid_image", gettext_noop("The file is empty. Send a photo."))
    check_bytes(max(size or 0, len(data)), max_bytes)
    kind = sniff(data)
    if kind is None:
        what = foreign(data)
        message = (
            gettext_noop("The file is %(what)s, which cannot be read here. Send %(formats)s.")
            if what
            else gettext_noop("The file is not a photo that can be read. Send %(formats)s.")
        )
        raise PhotoError("invalid_image", message % {"what": what, "formats": FORMAT_NAMES})
    if kind in ("TIFF", "RAW"):
        directories = tiff.directories(data)
        if tiff.is_raw(data, directories):
            preview = tiff.preview(data, directories)
            if preview is None:
                raise PhotoError("invalid_image", NO_PREVIEW)
            return _Source("JPEG", preview.jpeg, RAW_TYPE, preview.orientation)
    return _Source(kind, data)


def _inspect(source: _Source, max_pixels: int) -> ImageInfo:
    if source.kind == "TIFF" and is_wide(source.data, "TIFF"):
        width, height = tiff_size(source.data)
        _check_size("TIFF", width, height, max_pixels)
        return ImageInfo("TIFF", Image.MIME["TIFF"], width, height)
    with _open(source, max_pixels) as image:
        kind = image.format or ""
        if kind in ("JPEG", "MPO"):
            check_scans(source.data, image.width * image.height)
        named = "JPEG" if kind == "MPO" else kind  # browsers do not know image/mpo
        content_type = source.content_type or Image.MIME.get(named, "application/octet-stream")
        return ImageInfo(kind, content_type, image.width, image.height)


@dataclass(frozen=True, slots=True)
class Decoded:
    """image: uint8 RGB, EXIF orientation applied. width, height: at full size. shrink: how many times smaller `image` is.

    warnings: "truncated" if the file ends too early and a part of the photo is missing.
    """

    image: np.ndarray
    width: int
    height: int
    shrink: int
    warnings: tuple[str, ...] = ()


def decode(data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decodes the first frame that shows something: uint8 RGB (h, w, 3), EXIF orientation applied, transparency on white.

    A photo of more than `max_pixels` comes out smaller. Raises PhotoError, and MemoryError if there is too little memory
    for a photo of this size.
    """
    return decode_reduced(data, None, max_bytes=max_bytes, max_pixels=max_pixels).image


def decode_reduced(
    data: bytes, long_side: int | None, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS
) -> Decoded:
    """As `decode`, but a JPEG at a half, a quarter or an eighth of its size, the smallest that leaves `long_side` px.

    JPEG decoders can skip the rest, which takes a fraction of the time and memory.
    """
    source = _source(data, max_bytes)
    info = _inspect(source, max_pixels)
    whole = (info.width, info.height)
    try:
        image, warnings = _load(source, long_side, max_pixels, whole)
        shrink = -(-whole[0] // image.width)
        before = image.size
        _turn_upright(image, source)
        if image.size != before:
            whole = whole[::-1]
        return Decoded(np.asarray(to_rgb(image)), *whole, shrink, warnings)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(max_pixels) from error
    except Exception as error:
        _require_memory(error, whole)
        raise PhotoError("invalid_image", DAMAGED) from error


def _load(
    source: _Source, long_side: int | None, max_pixels: int, size: tuple[int, int]
) -> tuple[Image.Image, tuple[str, ...]]:
    """The pixels, not turned yet, and warnings. size: the photo's.

    What is missing at a file's end is filled up if a part is there.
    """
    try:
        return _load_whole(source, long_side, max_pixels), ()
    except Exception as error:
        _require_memory(error, size)
        parts = completed(source.data, source.plugin)
        if parts is None or parts[1] < LEAST_SHOWN:
            raise
    image = _load_whole(replace(source, data=parts[0]), long_side, max_pixels)
    if source.plugin == "JPEG" and rows_shown(image) < LEAST_SHOWN:
        raise PhotoError("invalid_image", DAMAGED)
    return image, ("truncated",)


def _load_whole(source: _Source, long_side: int | None, max_pixels: int) -> Image.Image:
    if is_wide(source.data, source.kind) and (image := read_wide(source.data, source.kind)):
        if source.kind == "PNG":
            image.getexif()[ORIENTATION] = _orientation_of(source, max_pixels)
        return image
    with _open(source, max_pixels) as image:
        shrink = _shrink(image, source, long_side, max_pixels)
        if shrink > 1 and image.format == "HEIF":
            return _halved_heif(source.data)
        if shrink > 1 and image.format == "JPEG2000":
            image.reduce = SHRINKS.index(shrink)  # type: ignore[method-assign,assignment]  # a property of this plugin
        elif shrink > 1:
            image.draft(None, (image.width // shrink, image.height // shrink))
        seek_to_something(image)
        image.load()
        return image


def _shrink(image: Image.Image, source: _Source, long_side: int | None, max_pixels: int) -> int:
    """How many times smaller the photo is decoded: as much as its format, `long_side` and `max_pixels` allow or ask for."""
    if image.format not in ("JPEG", "MPO", "HEIF", "JPEG2000"):
        return 1
    pixels = image.width * image.height
    at_once = max_pixels * SHARE.get(image.format or "", 1.0)
    least = next((shrink for shrink in SHRINKS if pixels <= at_once * shrink**2), SHRINKS[-1])
    is_panorama = max(image.size) >= PANORAMA * min(image.size)  # searched part by part, and so not decoded smaller
    if not long_side or is_panorama or image.format not in ("JPEG", "MPO"):
        return least
    return max([least, *(shrink for shrink in SHRINKS if max(image.size) >= shrink * long_side)])


def _halved_heif(data: bytes) -> Image.Image:
    """Decodes a HEIC and halves it before anything else takes memory. It is upright already."""
    photo = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    values = np.asarray(photo[photo.primary_index])
    return Image.fromarray(cv2.resize(values, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def _turn_upright(image: Image.Image, source: _Source) -> None:
    """Turns the image itself: a copy would cost as much as a tenth of decoding."""
    image.getexif().setdefault(ORIENTATION, source.orientation)
    ImageOps.exif_transpose(image, in_place=True)


def _orientation_of(source: _Source, max_pixels: int) -> int:
    with _open(source, max_pixels) as image:
        return image.getexif().get(ORIENTATION, 1)


def encode_jpeg(rgb: np.ndarray, quality: int = 92) -> bytes:
    """Encodes uint8 RGB (h, w, 3) as JPEG. quality: 1–95."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=quality)
    return out.getvalue()


def _open(source: _Source, max_pixels: int) -> Image.Image:
    try:
        image = Image.OPEN[source.plugin][0](
            io.BytesIO(source.data), ""
        )  # not Image.open, whose limit is one for all formats
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(max_pixels) from error
    except Exception as error:
        _require_memory(error)
        message = gettext_noop(
            "The file begins like %(kind)s, but cannot be read as such: it is damaged. Send it again, or another."
        )
        if source.data[8:12] in SEQUENCES:
            message = gettext_noop(
                "The file is a sequence of pictures (HEIC) without a main one. Send one of its pictures."
            )
        raise PhotoError("invalid_image", message % {"kind": source.kind}) from error
    _check_size(source.kind, image.width, image.height, max_pixels, lambda: _claimed(image, source))
    return image


def _claimed(image: Image.Image, source: _Source) -> float:
    """How many times `max_pixels` the photo may have, because it will be decoded smaller."""
    if image.format in ("JPEG", "MPO"):
        layout = jpeg.layout(source.data)
        return CLAIMED["JPEG"] if layout is not None and layout.in_one_pass else 1.0
    return CLAIMED.get(image.format or "", 1.0)


def _check_size(
    kind: str, width: int, height: int, max_pixels: int, claimed: Callable[[], float] = lambda: 1.0
) -> None:
    if width * height == 0:
        message = gettext_noop("The %(kind)s has no pixels: its width or height is 0. Send another photo.")
        raise PhotoError("invalid_image", message % {"kind": kind})
    if width * height > max_pixels and width * height > max_pixels * claimed():
        raise _too_many_pixels(max_pixels)


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


def _too_many_pixels(max_pixels: int) -> PhotoError:
    message = gettext_noop("The photo has more than %(most)s megapixels. Send a smaller version of it.")
    return PhotoError("image_too_large", message % {"most": f"{max_pixels / 1e6:.0f}"})
