"""Photos in every format people have: what is read, how it looks, and why the rest is refused."""

import io
import struct
import zlib

import cv2
import numpy as np
import pillow_heif
import pytest
from conftest import encoded
from PIL import Image

from recognition.engine.base import PhotoError
from recognition.engine.formats import HEAD, sniff
from recognition.engine.image import check_bytes, decode, decode_reduced, inspect

RAMP = np.tile(np.linspace(0, 1, 64), (48, 1))  # dark on the left, bright on the right


def picture(side: tuple[int, int] = (60, 40)) -> Image.Image:
    """Black, with a white corner in the upper left."""
    image = Image.new("RGB", side)
    image.paste("white", (0, 0, side[0] // 4, side[1] // 4))
    return image


def heic(image: Image.Image, **options) -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out, **options)
    return out.getvalue()


def refusal(data: bytes) -> str:
    for read in (inspect, decode):
        with pytest.raises(PhotoError) as caught:
            read(data)
        assert caught.value.code == "invalid_image"
    return caught.value.message


def is_ramp(rgb: np.ndarray) -> None:
    grey = rgb.mean(axis=(0, 2))
    assert grey[0] < 8 and grey[-1] > 235 and 100 < grey[len(grey) // 2] < 155, grey


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("AVIF", "AVIF"),
        ("JPEG2000", "JPEG 2000"),
        ("TGA", "TGA"),
        ("MPO", "JPEG"),
        ("DIB", "DIB"),
        ("ICO", "ICO"),
        ("PNG", "PNG"),
        ("WEBP", "WebP"),
        ("GIF", "GIF"),
        ("BMP", "BMP"),
        ("TIFF", "TIFF"),
        ("PPM", "PPM"),
    ],
)
def test_a_format_is_known_by_its_content(kind, name):
    data = encoded(picture((64, 64)), kind)
    assert sniff(data[:HEAD]) == name
    rgb = decode(data)
    assert rgb.shape == (64, 64, 3)
    assert rgb[2, 2].min() > 200 and rgb[-2, -2].max() < 60


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(40), "Canon raw file"),
        (b"\0\0\0\x18ftypisom\0\0\0\1isommp42" + bytes(40), "a video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "JPEG XL"),
        (b"%PDF-1.7" + bytes(40), "a PDF"),
        (b"  <svg xmlns='http://www.w3.org/2000/svg'/>", "a drawing"),
        (b"8BPS" + bytes(40), "a Photoshop"),
        (b"just a text that says nothing of any photo at all", "not a photo"),
        (b"\xff\xd8\xff" + bytes(40), "damaged"),
        (b"\0\0\0\x18ftypmsf1\0\0\0\0msf1hevc" + bytes(40), "without a main one"),
    ],
)
def test_what_cannot_be_read_is_named(data, said):
    assert said in refusal(data)


# --- Orientation and transparency ---
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
@pytest.mark.parametrize(("orientation", "corner"), [(3, (-2, -2)), (6, (2, -2)), (8, (-2, 2))])
def test_orientation(kind, orientation, corner):
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb = decode(encoded(picture(), kind, exif=exif))
    assert rgb.shape[:2] == ((40, 60) if orientation == 3 else (60, 40))
    assert rgb[corner].min() > 200


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF", "TGA", "ICO", "JPEG2000", "GIF"])
def test_transparency_lies_on_white(kind):
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((200, 0, 0, 255), (0, 0, 32, 64))
    rgb = decode(encoded(image, kind))
    assert rgb[32, 60].min() > 240
    assert rgb[32, 4, 0] > 180 and rgb[32, 4, 1] < 40


def test_a_photo_whose_alpha_was_never_filled_in_is_shown_without_it():
    image = picture().convert("RGBA")
    image.putalpha(0)
    assert decode(encoded(image, "TGA"))[-1, -1].max() < 20


# --- More than 8 bits ---
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("kind", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled_to_what_they_hold(bits, kind, channels):
    values = (RAMP * (2**bits - 1)).astype("uint16")
    _, data = cv2.imencode(kind, values if channels == 1 else np.dstack([values] * 3))
    is_ramp(decode(data.tobytes()))


@pytest.mark.parametrize("most", [1.0, 255.0, 4000.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_fractions_are_scaled_to_what_they_hold(most, channels):
    values = (RAMP * most).astype("float32")
    values[0, 0] = np.nan
    _, data = cv2.imencode(".tiff", values if channels == 1 else np.dstack([values] * 3))
    is_ramp(decode(data.tobytes()))


@pytest.mark.parametrize("most", [200, 60_000, 2**31 - 1])
def test_whole_numbers_of_32_bits(most):
    image = Image.fromarray((RAMP * most).astype("int32"))
    grey = decode(encoded(image, "TIFF")).mean(axis=(0, 2))
    assert grey[0] < 8 and grey[-1] > 190


def test_eight_bits_stay_as_they_are():
    dark = Image.fromarray((RAMP * 40).astype("uint8")).convert("RGB")
    assert decode(encoded(dark, "PNG")).max() == 40


def test_wide_colours_have_their_colour_and_orientation():
    values = np.zeros((40, 60, 3), "uint16")
    values[:10, :15] = (0, 0, 65535)  # OpenCV's order: red
    exif = Image.Exif()
    exif[0x0112] = 6
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    data = cv2.imencode(".png", values)[1].tobytes()

    chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
    rgb = decode(data[:33] + chunk + data[33:])
    assert rgb.shape == (60, 40, 3)
    assert rgb[2, -2].tolist() == [255, 0, 0]


# --- Animations ---
@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_of_an_animation_the_first_frame_that_shows_something(kind):
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("black", "white")] + [picture((64, 64))]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    assert np.ptp(decode(data)) > 200


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_an_animation_that_shows_nothing_is_its_first_frame(kind):
    frames = [Image.new("RGB", (64, 64), (n, 0, 0)) for n in (10, 200, 90)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    assert decode(data)[..., 0].max() < 30


def test_of_several_pictures_in_a_heic_the_main_one():
    out = io.BytesIO()
    photos = pillow_heif.from_pillow(picture((64, 64)))
    photos.add_from_pillow(Image.new("RGB", (128, 128), "red"))
    photos.save(out, primary_index=0)
    assert decode(out.getvalue()).shape == (64, 64, 3)


@pytest.mark.parametrize("brand", [b"hevc", b"msf1"])
def test_of_a_heic_sequence_the_main_picture(brand):
    data = heic(picture((64, 64)))
    assert decode(data[:8] + brand + data[12:]).shape == (64, 64, 3)


def test_of_a_jpeg_with_a_gain_map_the_photo():
    data = encoded(picture((640, 400)), "MPO", save_all=True, append_images=[Image.new("RGB", (160, 100), "red")])
    assert inspect(data).content_type == "image/jpeg"
    assert decode_reduced(data, 160).image.shape == (100, 160, 3)
    assert decode(data)[-2, -2].max() < 40


# --- Raw files ---
def raw_file(preview: bytes, orientation: int = 1, *, sub: bool = True, beginning: bytes = b"II*\0") -> bytes:
    """A DNG in the small: the first directory with a thumbnail's place, one for the sensor, one for the preview."""

    def directory(at: int, entries: list[tuple[int, int, int]], following: int = 0) -> bytes:
        body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(entries))
        return struct.pack("<H", len(entries)) + body + struct.pack("<I", following)

    first = [(254, 4, 1), (256, 4, 160), (257, 4, 120), (274, 3, orientation), (50706, 1, 1)]
    sensor = [(256, 4, 6000), (257, 4, 4000), (259, 3, 1), (262, 3, 32803), (273, 4, 300), (279, 4, 16)]
    starts = (8, 100, 200, 400)
    shown = [(256, 4, 900), (257, 4, 600), (259, 3, 7), (262, 3, 6), (273, 4, starts[3]), (279, 4, len(preview))]
    parts = [directory(8, [*first, (330, 4, starts[2])] if sub else first, starts[1]), directory(100, sensor)]
    data = bytearray(starts[3])
    data[:8] = beginning + struct.pack("<I", 8)
    for start, part in zip(starts, [*parts, directory(200, shown)], strict=False):
        data[start : start + len(part)] = part
    return bytes(data) + preview


def test_of_a_raw_file_the_full_preview():
    data = raw_file(encoded(picture((900, 600)), "JPEG"))
    info = inspect(data)
    assert (info.width, info.height, info.content_type) == (900, 600, "image/x-raw")
    rgb = decode(data)
    assert rgb.shape == (600, 900, 3)
    assert rgb[5, 5].min() > 200


def test_a_raw_file_says_which_way_up_it_is():
    rgb = decode(raw_file(encoded(picture((900, 600)), "JPEG"), orientation=6))
    assert rgb.shape == (900, 600, 3)
    assert rgb[5, -5].min() > 200


def test_a_raw_file_with_a_thumbnail_alone_is_refused():
    assert "Export the photo as JPEG" in refusal(raw_file(encoded(picture((230, 120)), "JPEG")))
    assert "Export the photo as JPEG" in refusal(raw_file(b"no preview at all", sub=False))


def test_the_raw_file_of_a_fujifilm_camera():
    photo = encoded(picture((900, 600)), "JPEG")
    data = b"FUJIFILMCCD-RAW 0201FF393103".ljust(84, b"\0") + struct.pack(">II", 160, len(photo))
    assert decode(data.ljust(160, b"\0") + photo).shape == (600, 900, 3)


@pytest.mark.parametrize("cut", [9, 20, 120, 210, 380, 500])
def test_a_raw_file_that_is_cut_off_is_refused_or_read(cut):
    try:
        assert decode(raw_file(encoded(picture((900, 600)), "JPEG"))[:cut]).ndim == 3
    except PhotoError as error:
        assert error.code == "invalid_image"


# --- Sizes ---
def test_a_file_that_is_too_large_is_told_its_size():
    for size, said in ((11 * 2**20, "11.0 MiB"), (30 * 2**20, "30.0 MiB"), (10 * 2**20 + 1, "10.1 MiB")):
        with pytest.raises(PhotoError, match=said):
            check_bytes(size, 10 * 2**20)
    with pytest.raises(PhotoError, match=r"30\.0 MiB"):
        inspect(b"x" * 101, max_bytes=100, size=30 * 2**20)


def test_a_large_jpeg_is_taken_at_a_fraction_of_its_size():
    data = encoded(picture((4000, 3000)), "JPEG")
    decoded = decode_reduced(data, 1280, max_pixels=5_000_000)
    assert (decoded.width, decoded.height, decoded.shrink) == (4000, 3000, 2)
    assert decode(data, max_pixels=5_000_000).shape == (1500, 2000, 3)
    assert decode(data, max_pixels=2_500_000).shape == (750, 1000, 3)
    with pytest.raises(PhotoError, match="megapixels"):
        inspect(data, max_pixels=2_300_000)  # more than five times as many


def test_a_jpeg_that_must_be_held_whole_is_not():
    data = encoded(picture((4000, 3000)), "JPEG", progressive=True)
    with pytest.raises(PhotoError, match="megapixels"):
        inspect(data, max_pixels=5_000_000)


def test_a_large_heic_is_halved():
    data = heic(picture((640, 480)))
    assert decode(data, max_pixels=250_000).shape == (240, 320, 3)
    with pytest.raises(PhotoError, match="megapixels"):
        inspect(data, max_pixels=200_000)


def test_a_large_jpeg_2000_is_decoded_smaller():
    decoded = decode_reduced(encoded(picture((640, 480)), "JPEG2000"), None, max_pixels=400_000)
    assert (decoded.width, decoded.shrink, decoded.image.shape) == (640, 2, (240, 320, 3))


# --- Cut off ---
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "MPO"])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_photo_that_is_cut_off_is_shown_as_far_as_it_goes(kind, share):
    noise = Image.effect_noise((300, 300), 60).convert("RGB")
    data = encoded(noise, kind)
    decoded = decode_reduced(data[: int(len(data) * share)], None)
    assert decoded.warnings == ("truncated",)
    assert decoded.image.shape == (300, 300, 3)
    whole = decode(data)
    assert (decoded.image[:120] == whole[:120]).all()
    assert decode_reduced(data, None).warnings == ()


@pytest.mark.parametrize("mode", ["P", "L", "RGBA", "1"])
def test_a_png_of_any_kind_that_is_cut_off(mode):
    data = encoded(Image.effect_noise((300, 300), 60).convert("RGB").convert(mode), "PNG")
    decoded = decode_reduced(data[: len(data) // 2], None)
    assert (decoded.image[:100] == decode(data)[:100]).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_photo_of_which_hardly_anything_is_there_is_refused(kind):
    data = encoded(Image.effect_noise((300, 300), 60).convert("RGB"), kind)
    with pytest.raises(PhotoError, match="damaged or incomplete"):
        decode(data[: int(len(data) * 0.05)])
