"""Video files made from pictures, for tests: still ones, or people who move over a background."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np


def write_video(
    path: Path, pictures: Iterable[np.ndarray], *, fps: int = 15, codec: str = "libx264", gop: int = 15
) -> Path:
    """pictures: BGR uint8 (height, width, 3), all of one size and even sides. The path's suffix chooses the container."""
    with av.open(path, "w") as container:
        stream = None
        for number, picture in enumerate(pictures):
            if stream is None:
                stream = container.add_stream(codec, rate=fps, options=_options(codec))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.gop_size = gop
                stream.bit_rate = 10_000_000  # of the codecs that ask for one
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        assert stream is not None, "there is no picture"
        container.mux(stream.encode())
    return path


def _options(codec: str) -> dict[str, str]:
    if codec in ("libx264", "libx265"):
        quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        return {"preset": "ultrafast", "tune": "zerolatency", "crf": "10", **quiet}
    return {}


def numbered(count: int, size: tuple[int, int] = (320, 240)) -> Iterator[np.ndarray]:
    """Pictures whose grey level tells their number (see `number_of`), with a white disc that moves."""
    for number in range(count):
        picture = np.full((size[1], size[0], 3), 20 + 9 * (number % 25), np.uint8)
        cv2.circle(picture, (20 + 9 * number % (size[0] - 40), size[1] // 3), size[1] // 8, (255, 255, 255), -1)
        yield picture


def number_of(picture: np.ndarray) -> int:
    """Which of the first 25 `numbered` pictures this is. Coding them for video makes them a little darker."""
    return round((float(np.median(picture[-picture.shape[0] // 4 :])) - 17.5) / 9)


class Walker:
    """Somebody who crosses the picture: pixels that are laid over the background at each moment.

    pixels: BGR uint8. path: the centre's (x, y) for a time in seconds, or None where nobody is to be seen.
    """

    def __init__(self, pixels: np.ndarray, path) -> None:
        self.pixels = pixels
        self.path = path

    def draw(self, onto: np.ndarray, at: float) -> None:
        where = self.path(at)
        if where is None:
            return
        height, width = self.pixels.shape[:2]
        left, top = round(where[0] - width / 2), round(where[1] - height / 2)
        x, y = max(left, 0), max(top, 0)
        end_x, end_y = min(left + width, onto.shape[1]), min(top + height, onto.shape[0])
        if x < end_x and y < end_y:
            onto[y:end_y, x:end_x] = self.pixels[y - top : end_y - top, x - left : end_x - left]


def line(start: tuple[float, float], end: tuple[float, float], begins: float, ends: float):
    """A straight path between two points, walked from `begins` to `ends` (seconds)."""

    def path(at: float) -> tuple[float, float] | None:
        share = (at - begins) / (ends - begins)
        if not 0 <= share <= 1:
            return None
        return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])

    return path


def scene(walkers: list[Walker], *, seconds: float, fps: int = 15, size: tuple[int, int] = (640, 480)):
    """The pictures of a scene: a grey gradient, and those who cross it; later ones stand before earlier ones."""
    background = np.repeat(np.linspace(70, 150, size[0]).astype(np.uint8)[None], size[1], axis=0)
    for number in range(round(seconds * fps)):
        picture = cv2.cvtColor(background, cv2.COLOR_GRAY2BGR)
        for walker in walkers:
            walker.draw(picture, number / fps)
        yield picture


def person(photo: Path, height: int) -> np.ndarray:
    """A photo as a walker's pixels: read, and made so high."""
    pixels = cv2.imread(str(photo))
    assert pixels is not None, photo
    return cv2.resize(pixels, (round(pixels.shape[1] * height / pixels.shape[0]), height), interpolation=cv2.INTER_AREA)
