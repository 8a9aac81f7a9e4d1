"""The films that the benchmark's cameras read: portraits that cross a hall, or the hall alone."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

SIZE, FPS = (1280, 720), 15
CROSSING, GONE = 4.0, 3.0  # seconds that a portrait is seen, and that nobody is
PORTRAIT_HEIGHT = 560  # px


def write_films(folder: Path, portraits: Sequence[np.ndarray]) -> None:
    """busy.mp4 and still.mp4. portraits: BGR uint8; a moving block where there are none."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "busy.mp4", _busy(portraits or [np.full((400, 300, 3), 220, np.uint8)]))
    _write(folder / "still.mp4", (hall() for _ in range(10 * FPS)))


def hall() -> np.ndarray:
    shades = np.linspace(70, 150, SIZE[0]).astype(np.uint8)
    return cv2.cvtColor(np.repeat(shades[None], SIZE[1], axis=0), cv2.COLOR_GRAY2BGR)


def _busy(portraits: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    for portrait in portraits:
        width = round(portrait.shape[1] * PORTRAIT_HEIGHT / portrait.shape[0])
        small = cv2.resize(portrait, (width, PORTRAIT_HEIGHT), interpolation=cv2.INTER_AREA)
        for number in range(round(CROSSING * FPS)):
            picture = hall()
            left = round((SIZE[0] - width) * number / (CROSSING * FPS))
            picture[80 : 80 + PORTRAIT_HEIGHT, left : left + width] = small
            yield picture
        for _ in range(round(GONE * FPS)):
            yield hall()


def _write(path: Path, pictures: Iterator[np.ndarray]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = *SIZE, "yuv420p", 2 * FPS
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
