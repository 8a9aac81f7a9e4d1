"""Video files and devices."""

from itertools import pairwise

import av
import numpy as np
import pytest
from video_files import number_of, numbered, write_video

from recognition.video.containers import _polled, open_device
from recognition.video.frame import MOST_PIXELS
from recognition.video.opening import grab_frame, open_source
from recognition.video.source import Allowed, Kind, Reason, Source, SourceError
from recognition.video.watch import Cancelled, Watch


class Unhurried(Watch):
    """Notes when it should wait, and does not."""

    def __init__(self):
        super().__init__(60)
        self.pauses = []

    def pause(self, seconds):
        self.pauses.append(seconds)


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mp4", "libx264"), ("mkv", "libx265"), ("avi", "mpeg4"), ("ts", "libx264")]
)
def test_a_file_is_read_to_its_end_at_its_own_pace(tmp_path, allowed, suffix, codec):
    write_video(tmp_path / f"a.{suffix}", numbered(25), fps=10, codec=codec)
    watch, read = Unhurried(), []
    with (
        open_source(Source(Kind.FILE, f"a.{suffix}"), allowed, watch) as pictures,
        pytest.raises(SourceError) as raised,
    ):
        for picture in pictures:
            read.append(picture)
    assert raised.value.reason == Reason.ENDED
    assert [number_of(picture.bgr(1920)) for picture in read] == list(range(25))
    # Nothing was waited for, so what is left to wait grows by a tenth of a second a picture, less what reading took.
    assert 1.0 < watch.pauses[-1] <= 2.41
    assert all(later - earlier < 0.11 for earlier, later in pairwise(watch.pauses))


def test_a_file_begins_again(tmp_path, allowed):
    write_video(tmp_path / "a.mp4", numbered(5))
    with open_source(Source(Kind.FILE, "a.mp4", loop=True), allowed, Unhurried()) as pictures:
        read = [number_of(next(pictures).bgr(1920)) for _ in range(12)]
    assert read == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]


def test_a_turned_film_is_shown_upright(tmp_path, allowed):
    """As phones record it: the pixels lie on their side, and the file says how to turn them."""
    write_video(tmp_path / "a.mp4", [np.full((120, 160, 3), 60, np.uint8)] * 3)
    data = (tmp_path / "a.mp4").read_bytes()
    upright = b"\0\1\0\0" + bytes(12) + b"\0\1\0\0" + bytes(12) + b"\x40\0\0\0"
    turned = bytes(4) + b"\0\1\0\0" + bytes(4) + b"\xff\xff\0\0" + bytes(16) + b"\x40\0\0\0"
    at = data.index(b"tkhd") + 44  # the track's matrix
    assert data[at : at + 36] == upright
    (tmp_path / "a.mp4").write_bytes(data[:at] + turned + data[at + 36 :])
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert next(container.decode(video=0)).rotation % 180 == 90
    frame = grab_frame(Source(Kind.FILE, "a.mp4"), allowed)
    assert (frame.width, frame.height, frame.bgr.shape) == (120, 160, (160, 120, 3))


def test_files_that_cannot_be_read(tmp_path, allowed):
    whole = write_video(tmp_path / "a.mp4", numbered(25)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).integers(0, 255, 9999, np.uint8).tobytes())
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{tmp_path}/a.mp4\n")
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile a.mp4\n")
    (tmp_path / "call.sdp").write_text("v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n")
    for name in ("cut.mp4", "noise.mp4", "empty.mp4", "list.m3u8", "list.ffconcat", "call.sdp"):
        with pytest.raises(SourceError) as raised:
            grab_frame(Source(Kind.FILE, name), allowed)
        assert raised.value.reason in (Reason.BROKEN, Reason.NO_VIDEO), name
        assert str(tmp_path) not in str(raised.value)


def test_too_large(tmp_path, allowed):
    write_video(tmp_path / "a.mp4", numbered(2))
    with pytest.raises(SourceError) as raised:
        grab_frame(Source(Kind.FILE, "a.mp4"), allowed, most_pixels=320 * 240 - 1)
    assert raised.value.reason == Reason.TOO_LARGE


def test_a_device():
    """FFmpeg's own made-up pictures stand for a camera, which no test machine has."""
    name = "testsrc2=s=320x240:r=10"
    with open_device(Source(Kind.DEVICE, name), Allowed(devices=[name]), Watch(10), MOST_PIXELS, "lavfi") as pictures:
        frames = [next(pictures) for _ in range(3)]
    assert {(picture.bgr(1920).shape, picture.luma().shape) for picture in frames} == {((240, 320, 3), (90, 160))}
    assert frames[0].bgr(1920).std() > 20


class Hesitant:
    """A device that has no next picture yet, after each one."""

    def __init__(self, container):
        self.streams, self._container = container.streams, container

    def demux(self, stream):
        yield next(self._container.demux(stream))
        raise av.error.BlockingIOError(11, "Resource temporarily unavailable")


def test_a_device_is_asked_again_and_never_waited_for_in_ffmpeg():
    watch = Watch(60)
    with av.open("testsrc2=s=320x240:r=10", format="lavfi") as container:
        pictures = _polled(Hesitant(container), watch, MOST_PIXELS)
        assert [next(pictures).width for _ in range(5)] == [320] * 5
        watch.cancel()
        with pytest.raises(Cancelled):
            next(pictures)


def test_devices_that_are_none(tmp_path):
    nothing, file = str(tmp_path / "video9"), tmp_path / "file"
    file.write_text("no camera")
    allowed = Allowed(devices=[nothing, str(file)])
    for address, reason in ((nothing, Reason.NOT_FOUND), (str(file), Reason.BROKEN)):
        with pytest.raises(SourceError) as raised:
            grab_frame(Source(Kind.DEVICE, address), allowed)
        assert raised.value.reason == reason
    with pytest.raises(SourceError) as raised:
        grab_frame(Source(Kind.DEVICE, "/dev/zero"), allowed)
    assert raised.value.reason == Reason.NOT_ALLOWED
