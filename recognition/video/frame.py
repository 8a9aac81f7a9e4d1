"""A frame: decoded, but made into pixels only for whoever wants them."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np
from av import VideoFrame

from recognition.engine.base import PhotoError
from recognition.engine.jpeg import check_scans, layout
from recognition.video.source import Reason, SourceError

MOST_PIXELS = 2 * 3840 * 2160
MOST_SIDE = 1920
LUMA_SIZE = (160, 90)
START_OF_JPEG, END_OF_JPEG = b"\xff\xd8", b"\xff\xd9"
AREA = cv2.INTER_AREA
WITH_LUMA_PLANE = {
    "gray", "nv12", "nv21", "yuv420p", "yuv422p", "yuv440p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p",
}  # fmt: skip
TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


class Picture(Protocol):
    """width and height: of the whole picture, as it is to be looked at."""

    width: int
    height: int

    def load(self) -> None:
        """Decodes what is not yet decoded: once, for a picture that is wanted. Raises SourceError (broken)."""

    def bgr(self, most_side: int) -> np.ndarray: ...

    def luma(self) -> np.ndarray: ...


class VideoPicture:
    """A frame of a decoder. Raises SourceError if it is larger than `most_pixels`, before any of it is converted."""

    def __init__(self, frame: VideoFrame, most_pixels: int) -> None:
        check_size(frame.width, frame.height, most_pixels)
        self._frame = frame
        self._turn = TURNS.get(frame.rotation % 360)
        upright = frame.rotation % 180 == 0
        self.width, self.height = (frame.width, frame.height) if upright else (frame.height, frame.width)

    def load(self) -> None:
        """Nothing: later pictures need this one, so that all are decoded."""

    def bgr(self, most_side: int) -> np.ndarray:
        width, height = fitting(self._frame.width, self._frame.height, most_side)
        pixels = self._frame.reformat(width, height, "bgr24", interpolation="AREA").to_ndarray()
        return self._upright(pixels)

    def luma(self) -> np.ndarray:
        frame = self._frame
        rows: np.ndarray
        if frame.format.name in WITH_LUMA_PLANE:
            plane = frame.planes[0]
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
                : frame.height, : frame.width
            ]
        else:
            rows = frame.reformat(format="gray").to_ndarray()
        return _small(self._upright(rows))

    def _upright(self, pixels: np.ndarray) -> np.ndarray:
        return pixels if self._turn is None else cv2.rotate(pixels, self._turn)


class JpegPicture:
    """A whole JPEG; its pixels are there after `load`. Raises SourceError: broken, or larger than `most_pixels`."""

    def __init__(self, data: bytes, most_pixels: int) -> None:
        found = layout(data)
        is_whole = data.startswith(START_OF_JPEG) and data.endswith(END_OF_JPEG)
        if not is_whole or found is None or not found.is_decodable or not found.width * found.height:
            raise SourceError(Reason.BROKEN)
        check_size(found.width, found.height, most_pixels)
        self.width, self.height = found.width, found.height
        self._data = data

    def load(self) -> None:
        _ = self._pixels

    def bgr(self, most_side: int) -> np.ndarray:
        size = fitting(self.width, self.height, most_side)
        return self._pixels if size == (self.width, self.height) else cv2.resize(self._pixels, size, interpolation=AREA)

    def luma(self) -> np.ndarray:
        return cv2.cvtColor(_small(self._pixels), cv2.COLOR_BGR2GRAY)

    @cached_property
    def _pixels(self) -> np.ndarray:
        try:
            check_scans(self._data, self.width * self.height)
        except PhotoError:
            raise SourceError(Reason.BROKEN) from None
        # A camera's picture is shown as it is: EXIF's orientation, which none writes, would change its size.
        pixels = cv2.imdecode(np.frombuffer(self._data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels is None or pixels.shape[:2] != (self.height, self.width):
            raise SourceError(Reason.BROKEN)
        return pixels


@dataclass(eq=False)
class Frame:
    """What a reader hands on.

    seq: counts the frames of one reader from 1. taken_at: when it was decoded, UTC. monotonic: the same, in seconds of
    time.monotonic(). width, height: of the camera's picture, of which `bgr` may be a smaller copy.
    """

    seq: int
    taken_at: datetime
    monotonic: float
    picture: Picture
    most_side: int = MOST_SIDE

    @property
    def width(self) -> int:
        return self.picture.width

    @property
    def height(self) -> int:
        return self.picture.height

    @cached_property
    def bgr(self) -> np.ndarray:
        """uint8 (height, width, 3), its longer side `most_side` at most. Made at the first call."""
        return self.picture.bgr(self.most_side)

    @cached_property
    def luma(self) -> np.ndarray:
        """uint8 (90, 160): brightness, to see cheaply whether something moves. Needs no `bgr`."""
        return self.picture.luma()


def check_size(width: int, height: int, most_pixels: int) -> None:
    if width * height > most_pixels:
        raise SourceError(Reason.TOO_LARGE)


def fitting(width: int, height: int, most_side: int) -> tuple[int, int]:
    """A size of the same shape whose longer side is `most_side` at most."""
    share = min(1.0, most_side / max(width, height))
    return max(1, round(width * share)), max(1, round(height * share))


def _small(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(pixels, LUMA_SIZE, interpolation=AREA)
