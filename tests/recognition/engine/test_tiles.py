"""Faces that would be lost when the whole photo is shrunk: panoramas and large photos."""

import io

import numpy as np
import pytest
from conftest import encoded
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recognition.engine import tiles
from recognition.engine.base import Box, Detection


def face_of(portrait: bytes, size: int) -> Image.Image:
    """The head of Grace Hopper's portrait, in which the face is about `size` px high."""
    with Image.open(io.BytesIO(portrait)) as image:
        head = image.convert("RGB").crop((100, 0, 420, 360))
    scale = size / 190
    return head.resize((round(head.width * scale), round(head.height * scale)))


def scenery(width: int, height: int) -> Image.Image:
    small = np.random.default_rng(0).integers(90, 120, (height // 40 + 1, width // 40 + 1, 3), "uint8")
    return Image.fromarray(small).resize((width, height))


def only(pipeline, data: bytes):
    [analysis] = pipeline.analyse([data], purposes=["probe"])
    return analysis


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("upright", [True, False])
def test_a_face_in_a_panorama_is_found_once(pipeline, hopper, kind, upright):
    size, at = ((12_000, 900), (7_100, 300)) if upright else ((900, 12_000), (300, 7_100))
    photo = scenery(*size)
    photo.paste(face_of(hopper, 206), at)
    analysis = only(pipeline, encoded(photo, kind))
    assert (analysis.width, analysis.height, analysis.rotation) == (*size, 0)
    [face] = analysis.faces
    assert 130 < face.box.width < 260
    assert at[0] < face.box.x < at[0] + 200 and at[1] < face.box.y < at[1] + 200
    assert face.quality.usable


def test_the_panorama_of_twenty_thousand_pixels(pipeline, hopper):
    photo = scenery(20_000, 900)
    places = (0, 1_700, 9_000, 19_600)  # at both ends, and across the edge of a tile
    for left in places:
        photo.paste(face_of(hopper, 206), (left, 300))
    analysis = only(pipeline, encoded(photo, "JPEG"))
    found = sorted(face.box.x for face in analysis.faces)
    assert len(found) == 4
    assert all(left < x < left + 200 for left, x in zip(places, found, strict=True))


def test_a_small_face_in_a_large_photo_is_found(pipeline, hopper):
    photo = scenery(6_000, 4_000)
    photo.paste(face_of(hopper, 110), (4_300, 2_700))
    [face] = only(pipeline, encoded(photo, "JPEG")).faces
    assert 4_300 < face.box.x < 4_500 and 2_650 < face.box.y < 2_850


@pytest.mark.parametrize("size", [(8064, 6048), (12000, 9000)])
def test_the_photos_of_phones(pipeline, hopper, size):
    """Of 48 and 108 megapixels: coordinates are those of the photo as it was taken."""
    photo = Image.new("RGB", size, (110, 110, 110))
    photo.paste(face_of(hopper, 1200), (3_000, 2_000))
    analysis = only(pipeline, encoded(photo, "JPEG"))
    assert (analysis.width, analysis.height) == size
    [face] = analysis.faces
    assert 3_000 < face.box.x < 4_000 and 1_900 < face.box.y < 3_000
    assert 800 < face.box.width < 1_500


def test_a_small_face_in_a_photo_of_a_phone(pipeline, hopper):
    photo = Image.new("RGB", (8064, 6048), (110, 110, 110))
    photo.paste(face_of(hopper, 300), (3_000, 2_000))
    [face] = only(pipeline, encoded(photo, "JPEG")).faces
    assert 3_000 < face.box.x < 3_300 and 200 < face.box.width < 380
    assert face.crop.width > 150  # from the larger picture, not from the one that was searched


class Counting:
    """A detector that counts what it is shown, and finds nothing."""

    def __init__(self):
        self.shown: list[tuple[int, ...]] = []

    def detect(self, images):
        self.shown += [image.shape[:2] for image in images]
        return [[] for _ in images]


@settings(deadline=None)
@given(st.integers(1, 6_000), st.integers(1, 30_000))
def test_tiles_cover_everything_and_are_bounded(height, width):
    places = tiles.layout(height, width)
    assert len(places) <= tiles.MOST
    tops, lefts = ({(place[n], place[n + 2]) for place in places} for n in (0, 1))
    for spans, size in ((tops, height), (lefts, width)):
        reach = 0
        for start, length in sorted(spans):
            assert start <= reach
            reach = start + length
        assert reach == size


def test_the_usual_photo_is_looked_at_once():
    from recognition.engine.find import Finder

    detector = Counting()
    detector.detect = lambda images: detector.shown.extend(i.shape[:2] for i in images) or [[FACE] for _ in images]
    detector.quarter_turns = lambda image, faces: 0
    Finder(detector).find([np.zeros((1500, 2000, 3), "uint8")])
    assert detector.shown == [(1500, 2000)]


FACE = Detection(Box(10, 10, 50, 50), np.zeros((5, 2), "float32"), 0.99)


def test_the_same_face_in_two_tiles_is_one():
    again = Detection(Box(12, 11, 50, 50), np.zeros((5, 2), "float32"), 0.95)
    other = Detection(Box(80, 10, 60, 60), np.zeros((5, 2), "float32"), 0.95)
    assert tiles.merged([again, FACE, other]) == [other, FACE]
