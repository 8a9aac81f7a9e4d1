"""Pixels, made as late and as small as they may be."""

import time
from datetime import UTC, datetime

import av
import cv2
import numpy as np
import pytest
from video_files import numbered

from recognition.video.frame import Frame, JpegPicture, VideoPicture
from recognition.video.source import Reason, SourceError


def frame_of(picture, most_side=1920):
    return Frame(1, datetime.now(UTC), time.monotonic(), picture, most_side)


def jpeg(pixels):
    return cv2.imencode(".jpg", pixels)[1].tobytes()


@pytest.mark.parametrize("form", ["yuv420p", "yuvj420p", "nv12", "yuyv422", "rgb24", "gray", "yuv420p10le", "jpeg"])
def test_brightness_and_pixels_of_each_form(form):
    scene = cv2.resize(next(numbered(1, (642, 362))), (642, 362))
    scene[:, 400:] = (200, 120, 60)
    if form == "gray":
        scene = cv2.cvtColor(cv2.cvtColor(scene, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if form == "jpeg":
        frame = frame_of(JpegPicture(jpeg(scene), 10**6))
    else:
        frame = frame_of(VideoPicture(av.VideoFrame.from_ndarray(scene, "bgr24").reformat(format=form), 10**6))
    assert frame.bgr.shape == (362, 642, 3) and frame.bgr.dtype == np.uint8
    assert np.abs(frame.bgr.astype(int) - scene).mean() < 8
    assert frame.luma.shape == (90, 160) and frame.luma.dtype == np.uint8
    grey = cv2.resize(cv2.cvtColor(scene, cv2.COLOR_BGR2GRAY), (160, 90), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(frame.luma.ravel(), grey.ravel())[0, 1] > 0.99


@pytest.mark.parametrize(
    ("size", "shown"), [((4000, 1000), (1920, 480)), ((1001, 3003), (640, 1920)), ((1920, 2), (1920, 2))]
)
def test_large_pictures_are_made_smaller(size, shown):
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    for picture in (JpegPicture(jpeg(pixels), 10**7), VideoPicture(av.VideoFrame.from_ndarray(pixels, "bgr24"), 10**7)):
        frame = frame_of(picture)
        assert (frame.width, frame.height) == size
        assert frame.bgr.shape == (shown[1], shown[0], 3)


def test_a_size_that_is_only_claimed_is_refused_before_it_is_decoded():
    data = bytearray(jpeg(np.zeros((8, 8, 3), np.uint8)))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(SourceError) as raised:
        JpegPicture(bytes(data), 10**9)
    assert raised.value.reason == Reason.TOO_LARGE


@pytest.mark.parametrize("cut", [0, 1, 2, 100, 400])
def test_a_jpeg_without_its_end(cut):
    data = jpeg(next(numbered(1)))
    with pytest.raises(SourceError) as raised:
        JpegPicture(data[: cut if cut < 100 else -cut], 10**6)
    assert raised.value.reason == Reason.BROKEN


def test_what_is_no_jpeg_inside_is_found_when_it_is_loaded():
    data = bytearray(jpeg(next(numbered(1))))
    at = data.index(b"\xff\xc4") + 5  # how many codes of each length the Huffman table has
    data[at : at + 16] = b"\xfe" * 16
    broken = JpegPicture(bytes(data), 10**6)
    with pytest.raises(SourceError) as raised:
        broken.load()
    assert raised.value.reason == Reason.BROKEN
