"""Any source, opened; and one frame of it."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from recognition.video.containers import open_device, open_video_file
from recognition.video.frame import MOST_PIXELS, MOST_SIDE, Frame, Picture
from recognition.video.mjpeg import open_mjpeg
from recognition.video.rtsp import open_rtsp
from recognition.video.source import Allowed, Kind, Source
from recognition.video.watch import Watch

OPENERS = {
    Kind.RTSP: open_rtsp,
    Kind.MJPEG: open_mjpeg,
    Kind.FILE: open_video_file,
    Kind.DEVICE: open_device,
}


def open_source(
    source: Source, allowed: Allowed, watch: Watch, most_pixels: int = MOST_PIXELS
) -> AbstractContextManager[Iterator[Picture | None]]:
    """Its pictures as they come, at the source's own pace, without end; None stands for a damaged one.

    Waits no longer than the watch allows. Out of the block SourceError and Cancelled are raised. No picture has more
    pixels than `most_pixels`.
    """
    return OPENERS[source.kind](source, allowed, watch, most_pixels)


def grab_frame(
    source: Source,
    allowed: Allowed,
    timeout: float = 10.0,
    *,
    most_side: int = MOST_SIDE,
    most_pixels: int = MOST_PIXELS,
) -> Frame:
    """The first good frame, to try a camera with. timeout: seconds in all, beside the time that DNS takes.

    Runs in the caller's thread and leaves nothing behind. Raises SourceError.
    """
    watch = Watch(timeout)
    with open_source(source, allowed, watch, most_pixels) as pictures:
        for picture in pictures:
            watch.left()
            if picture is not None:
                picture.load()
                return Frame(1, datetime.now(UTC), time.monotonic(), picture, most_side)
    raise AssertionError("a source has no end")  # pragma: no cover
