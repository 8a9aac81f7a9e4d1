import errno
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from conftest import encoded
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from recognition.engine import mxnet_runtime
from recognition.engine.annotate import annotate
from recognition.engine.base import Box, PhotoError
from recognition.engine.faults import lacks_memory, leaves_unfit
from recognition.engine.image import decode, decode_reduced, inspect
from recognition.lab.bench.attack import photos as hard_photos

PICTURE = Image.fromarray(np.arange(40 * 60 * 3, dtype="uint8").reshape(40, 60, 3))


def refused(data: bytes, **limits) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        decode(data, **limits)
    return caught.value


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "ICO", "PPM"])
def test_formats(kind):
    data = encoded(PICTURE, kind)
    info = inspect(data)
    assert decode(data).shape == (info.height, info.width, 3)
    assert info.format == kind


def test_heic():
    out = io.BytesIO()
    pillow_heif.from_pillow(PICTURE).save(out)
    assert inspect(out.getvalue()).content_type == "image/heif"
    assert decode(out.getvalue()).shape == (40, 60, 3)


@pytest.mark.parametrize(
    ("orientation", "shape", "corner"),
    [(1, (40, 60), (0, 0)), (3, (40, 60), (39, 59)), (6, (60, 40), (0, 39)), (8, (60, 40), (59, 0))],
)
def test_exif_orientation_is_applied(orientation, shape, corner):
    image = Image.new("RGB", (60, 40), "black")
    image.paste("white", (0, 0, 6, 6))
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb = decode(encoded(image, "PNG", exif=exif))
    assert rgb.shape[:2] == shape
    assert rgb[corner].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "I;16", "1"])
def test_modes_become_rgb(mode):
    kind = "TIFF" if mode == "CMYK" else "PNG"
    image = Image.new("I;16", (8, 8), 40000) if mode == "I;16" else PICTURE.convert(mode)
    rgb = decode(encoded(image, kind))
    assert (rgb.dtype, rgb.shape[2]) == (np.uint8, 3)


def test_sixteen_bit_grey_keeps_its_tones():
    rgb = decode(encoded(Image.new("I;16", (4, 4), 32768), "PNG"))
    assert abs(int(rgb[0, 0, 0]) - 127) <= 1


def test_transparency_becomes_white():
    assert decode(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG"))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"hello, I am a text", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7"]
)
def test_what_is_no_photo(data):
    error = refused(data)
    assert error.code == "invalid_image"
    assert error.message.endswith(("Send a photo.", "HEIC."))


@pytest.mark.parametrize(
    ("kind", "share"),
    [(kind, share) for kind in ("WEBP", "GIF", "TIFF", "BMP") for share in (0.05, 0.5, 0.95)]
    + [("JPEG", 0.05), ("PNG", 0.05)],
)
def test_a_truncated_file_is_refused(kind, share):
    data = encoded(PICTURE.resize((300, 300)), kind)
    assert refused(data[: int(len(data) * share)]).code == "invalid_image"


def test_too_many_bytes_are_not_looked_at():
    error = refused(b"x" * 2000, max_bytes=1999)
    assert error.code == "image_too_large"


def _png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be as large as you like."""
    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", ihdr), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    packed = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_a_bomb_is_refused_by_its_header():
    assert refused(_png_header(60_000, 60_000)).code == "image_too_large"
    assert refused(_png_header(6_400, 6_400)).code == "image_too_large"


def test_no_pixels():
    assert refused(_png_header(0, 0)).code == "invalid_image"


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"]), st.integers(0, 400))
def test_damaged_bytes_never_raise_anything_else(noise, kind, at):
    data = bytearray(encoded(PICTURE, kind))
    data[at : at + len(noise)] = noise
    try:
        assert decode(bytes(data)).ndim == 3
    except PhotoError as error:
        assert error.code in ("invalid_image", "image_too_large")


def test_annotate_draws_any_name():
    rgb = np.zeros((200, 300, 3), "uint8")
    box = Box(10, 5, 50, 60)
    jpeg = annotate(rgb, [(box, "Zoë Müller 0.97", "#00ff00"), (box, "山田 太郎 0.9", "#ff0000"), (box, "", "#0000ff")])
    assert decode(jpeg).shape == (200, 300, 3)
    assert decode(jpeg).max() > 200


def test_real_files_of_every_format(faces_dir):
    folder = faces_dir / "formats"
    for name in ("bmp", "gif", "ico", "jpeg", "png", "tiff", "webp"):
        assert decode((folder / f"einstein.{name}").read_bytes()).ndim == 3
    assert decode_reduced((folder / "truncated.jpg").read_bytes(), None).warnings == ("truncated",)
    for name in ("corrupted.png", "empty.png"):
        assert refused((folder / name).read_bytes()).code == "invalid_image"


# --- Reduced JPEGs ---
@pytest.mark.parametrize(
    ("size", "shrink"), [((2559, 900), 1), ((2560, 900), 2), ((900, 2561), 2), ((5121, 3000), 4), ((10241, 3500), 8)]
)
def test_a_large_jpeg_is_decoded_smaller(size, shrink):
    decoded = decode_reduced(encoded(Image.new("RGB", size), "JPEG"), 1280)
    assert (decoded.width, decoded.height, decoded.shrink) == (*size, shrink)
    assert decoded.image.shape == (-(-size[1] // shrink), -(-size[0] // shrink), 3)


def test_a_reduced_jpeg_is_upright_and_reports_its_size_so():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    out = io.BytesIO()
    Image.new("RGB", (2600, 1000)).save(out, "JPEG", exif=exif)
    decoded = decode_reduced(out.getvalue(), 1280)
    assert (decoded.width, decoded.height, decoded.shrink) == (1000, 2600, 2)
    assert decoded.image.shape == (1300, 500, 3)


def test_other_formats_are_decoded_whole():
    decoded = decode_reduced(encoded(Image.new("RGB", (2600, 100)), "PNG"), 1280)
    assert (decoded.shrink, decoded.image.shape) == (1, (100, 2600, 3))


@pytest.mark.parametrize("make", [hard_photos.scan_bomb, hard_photos.baseline_scan_bomb])
def test_a_jpeg_of_too_many_scans_is_refused_from_its_bytes(make, monkeypatch):
    """Before a pixel is decoded, whether or not the header says that the JPEG is progressive."""
    data = make(8_000)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("it was decoded"))
    for read in (inspect, decode):
        with pytest.raises(PhotoError, match="scans") as caught:
            read(data)
        assert caught.value.code == "invalid_image"


def test_the_more_pixels_the_fewer_scans():
    assert inspect(hard_photos.scan_bomb(60, side=640)).format == "JPEG"
    assert "scans" in refused(hard_photos.scan_bomb(60, side=6300)).message


@pytest.mark.parametrize("quality", [50, 95])
def test_what_programs_write_has_few_scans(quality, hopper):
    for options in ({"progressive": True}, {}):
        with Image.open(io.BytesIO(hopper)) as image:
            data = encoded(image.resize((5_000, 6_000)), "JPEG", quality=quality, **options)
        assert inspect(data).width == 5_000


@pytest.mark.parametrize(
    "make",
    [
        lambda: hard_photos.png_with(b"zTXt", 100_000_000),
        lambda: hard_photos.png_with(b"iCCP", 100_000_000),
        lambda: hard_photos.png_with_many_chunks(2_000),
        lambda: hard_photos.animation("GIF", 500),
        lambda: hard_photos.animation("WEBP", 200),
        lambda: hard_photos.animation("PNG", 200),
        lambda: hard_photos.tiff_of_pages(500),
        lambda: hard_photos.tiff_in_a_circle(),
        lambda: hard_photos.tiff_of_strips(20_000),
        lambda: hard_photos.jpeg_with_deep_exif(2_500),
    ],
    ids=["zTXt", "iCCP", "chunks", "gif", "webp", "apng", "tiff pages", "tiff circle", "tiff strips", "exif"],
)
def test_a_photo_made_to_be_hard_is_read_or_refused_in_bounded_memory(make):
    """In a process of its own that may take 300 MB more than it starts with, and compute for 20 s; see hard_photo_reader.py."""
    reader = Path(__file__).with_name("hard_photo_reader.py")
    done = subprocess.run([sys.executable, str(reader)], input=make(), capture_output=True, check=False)
    assert (done.returncode, done.stdout.strip()) in [(0, b"read"), (0, b"invalid_image")], done.stderr


def test_lack_of_memory_is_not_the_files_fault(monkeypatch):
    """Also where a decoder reports it as if the file were damaged."""
    data = encoded(PICTURE, "PNG")

    def fails(image, **options):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", fails)
    monkeypatch.setattr(ImageOps, "exif_transpose", fails)
    with pytest.raises(MemoryError):
        decode(data)

    def full(*args):
        raise MemoryError

    monkeypatch.setattr("recognition.engine.image.np.empty", full)
    with pytest.raises(MemoryError, match="60 × 40 px"):
        decode(data[:-40])


@pytest.mark.parametrize(
    ("error", "is_memory", "is_unfit"),
    [
        (MemoryError(), True, True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True, True),
        (mxnet_runtime.NetError("std::bad_alloc"), True, True),
        (mxnet_runtime.NetError("Check failed"), False, True),
        (ValueError("out of memory lane"), False, False),
        (OSError("broken data stream"), False, False),
    ],
)
def test_what_lacks_memory(error, is_memory, is_unfit):
    assert (lacks_memory(error), leaves_unfit(error)) == (is_memory, is_unfit)


def test_opencv_says_that_it_lacks_memory():
    with pytest.raises(cv2.error) as caught:
        cv2.copyMakeBorder(np.zeros((9, 9, 3), "uint8"), 0, 2**30, 0, 2**30, cv2.BORDER_CONSTANT)
    assert lacks_memory(caught.value) == (caught.value.code == -4)
