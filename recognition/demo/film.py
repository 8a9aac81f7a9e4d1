"""The demo's camera: a video in which people cross a grey hall, one after the other."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS = 640, 480, 10
TALL = 380  # px, of a photo in the picture: its face is then large enough for every pack
CROSSING, PAUSE = 8, 6  # seconds

Picture = NDArray[np.uint8]


def write_film(path: Path, photos: Sequence[Path]) -> None:
    """Writes the video in one step, so that no camera reads half of one. path: ends in .mp4. Raises OSError, cv2.error."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    with av.open(str(unfinished), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, "yuv420p", 2_000_000
        for number, picture in enumerate(_pictures(photos)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    unfinished.rename(path)


def _pictures(photos: Sequence[Path]) -> Iterator[Picture]:
    """BGR (HEIGHT, WIDTH, 3)."""
    shades = np.linspace(70, 150, WIDTH).astype(np.uint8)
    hall = np.repeat(np.repeat(shades[None, :, None], HEIGHT, axis=0), 3, axis=2)
    for photo in photos:
        person = _read(photo)
        way = WIDTH - person.shape[1]  # they stay whole: half a face is nobody's
        for number in range(CROSSING * FPS):
            left = round(way * number / (CROSSING * FPS - 1))
            picture = hall.copy()
            picture[-TALL:, left : left + person.shape[1]] = person
            yield picture
        for _ in range(PAUSE * FPS):
            yield hall


def _read(photo: Path) -> Picture:
    pixels = cv2.imread(str(photo), cv2.IMREAD_COLOR)
    if pixels is None:
        raise OSError(f"{photo} cannot be read.")
    width = round(pixels.shape[1] * TALL / pixels.shape[0])
    return cv2.resize(pixels, (width, TALL), interpolation=cv2.INTER_AREA).astype(np.uint8)
