"""Video files and devices, read by FFmpeg."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from recognition.engine.texts import gettext_noop
from recognition.video.frame import Picture, VideoPicture
from recognition.video.source import Allowed, Reason, Source, SourceError, check_device, open_file
from recognition.video.watch import Watch

# Formats that hold their pictures themselves: a playlist or a list of files could name others.
FORMATS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,asf,flv,ogg,mjpeg,h264,hevc"
LONGEST_GAP = 2.0  # seconds between two pictures of a file: a longer one is cut short
MOST_BEHIND = 1.0  # seconds that are caught up with; more, on a machine that was halted, are not
OPEN_SECONDS = 5.0  # of a device
DEVICE_POLL = 0.02  # seconds
NON_BLOCKING = "4"  # AVFMT_FLAG_NONBLOCK, which has no name among FFmpeg's options


@contextmanager
def open_video_file(
    source: Source, allowed: Allowed, watch: Watch, most_pixels: int
) -> Iterator[Iterator[Picture | None]]:
    """Its pictures, no faster than they were taken; None stands for a damaged one. Raises SourceError: ended, too."""
    with open_file(source, allowed) as file:
        yield _paced(source, file, watch, most_pixels)


def _paced(source: Source, file: BinaryIO, watch: Watch, most_pixels: int) -> Iterator[Picture | None]:
    due = time.monotonic()
    while True:
        last = None
        for at, picture in _round(file, most_pixels):
            gap = at - last if last is not None else 0.0
            due = max(due + min(max(gap, 0.0), LONGEST_GAP), time.monotonic() - MOST_BEHIND)
            watch.pause(due - time.monotonic())
            yield picture
            last = at
        if last is None:
            raise SourceError(Reason.NO_VIDEO)
        if not source.loop:
            raise SourceError(Reason.ENDED)


def _round(file: BinaryIO, most_pixels: int) -> Iterator[tuple[float, Picture | None]]:
    """The pictures of a file once, each with its time in seconds."""
    file.seek(0)
    try:
        # The file is read through Python, so FFmpeg opens none itself.
        with av.open(file, "r", options={"format_whitelist": FORMATS, "protocol_whitelist": ""}) as container:
            at = 0.0
            for frame in _frames(container, _video(container, most_pixels)):
                if frame is None:
                    yield at, None
                    continue
                at = frame.time if frame.time is not None else at
                yield at, None if frame.is_corrupt else VideoPicture(frame, most_pixels)
    except FFmpegError:
        raise SourceError(Reason.BROKEN) from None


def _video(container: InputContainer, most_pixels: int) -> VideoStream:
    """The stream, before its first picture is decoded. Raises SourceError."""
    if not container.streams.video:
        raise SourceError(Reason.NO_VIDEO)
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    stream.codec_context.options = {"max_pixels": str(4 * most_pixels)}
    return stream


def _frames(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame | None]:
    """None stands for what could not be decoded. Raises FFmpegError where it cannot be read on."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except FFmpegError:
            yield None


@contextmanager
def open_device(
    source: Source, allowed: Allowed, watch: Watch, most_pixels: int, kind: str = "v4l2"
) -> Iterator[Iterator[Picture | None]]:
    """The pictures of a camera at this machine. Raises SourceError."""
    check_device(source, allowed)
    try:
        # FFmpeg looks at the first pictures already here, and asks again and again for them.
        container = av.open(source.address, "r", format=kind, options={"fflags": NON_BLOCKING}, timeout=OPEN_SECONDS)
    except FileNotFoundError:
        raise SourceError(Reason.NOT_FOUND, gettext_noop("There is no such device.")) from None
    except (FFmpegError, OSError):
        raise SourceError(
            Reason.BROKEN, gettext_noop("The device cannot be opened: it is no camera, or is in use.")
        ) from None
    with container:
        yield _polled(container, watch, most_pixels)


def _polled(container: InputContainer, watch: Watch, most_pixels: int) -> Iterator[Picture | None]:
    """Never waits in FFmpeg, where nothing could wake it."""
    stream = _video(container, most_pixels)
    while True:
        try:
            for frame in _frames(container, stream):
                watch.left()
                yield None if frame is None or frame.is_corrupt else VideoPicture(frame, most_pixels)
        except BlockingIOError:
            watch.left()
            watch.pause(DEVICE_POLL)
        except FFmpegError:
            raise SourceError(Reason.LOST) from None
        else:
            raise SourceError(Reason.LOST)
