"""Videos of portraits that cross a picture, cameras that read them, and a camera worker that is driven by hand."""

import contextlib
import time

import cv2
import numpy as np
from video_files import Walker, line

from recognition.cameras.models import Camera
from recognition.watching.worker import CameraWorker


def walker(photo: bytes, begins: float, ends: float, *, start=(120, 240), end=(520, 240), height: int = 260) -> Walker:
    pixels = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    pixels = cv2.resize(pixels, (round(pixels.shape[1] * height / pixels.shape[0]), height))
    return Walker(pixels, line(start, end, begins, ends))


def camera(gallery, address: str, **fields) -> Camera:
    values = {"name": "Entrance", "slug": "entrance", "kind": "file", "fps": 8} | fields
    return Camera.objects.create(gallery=gallery, address=address, **values)


def watch(watcher: CameraWorker, until, seconds: float = 60, raising: type[Exception] = ZeroDivisionError) -> None:
    """Has the worker work until the condition holds. raising: what it may run into on the way, as its loop does."""
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "waited in vain"
        with contextlib.suppress(raising):
            watcher.keep()
            watcher.turn()
