"""An RTSP server that others have written, where the machine has it: Debian's gir1.2-gst-rtsp-server-1.0 with
gstreamer1.0-plugins-good and -bad."""

import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from video_files import number_of, numbered, write_video

from recognition.video.opening import grab_frame, open_source
from recognition.video.source import Kind, Reason, Source, SourceError
from recognition.video.watch import Watch

PYTHON = "/usr/bin/python3"
HAS_IT = """if True:
    import gi
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import Gst, GstRtspServer
    Gst.init(None)
    assert all(Gst.ElementFactory.find(name) for name in ("qtdemux", "h264parse", "rtph264pay"))
"""


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", HAS_IT], capture_output=True).returncode:
        pytest.skip("GStreamer's RTSP server is not installed")
    return write_video(tmp_path_factory.mktemp("film") / "a.mp4", numbered(25), gop=10)


@contextmanager
def serving(*arguments):
    """Gives the address."""
    script = Path(__file__).parents[2] / "gst_rtsp_server.py"
    with subprocess.Popen(
        [PYTHON, script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout and process.stdin
        yield f"rtsp://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


def test_its_pictures(film, allowed):
    with serving(film) as address, pytest.raises(SourceError) as raised:
        numbers = []
        with open_source(Source(Kind.RTSP, f"{address}/cam"), allowed, Watch(20)) as pictures:
            for picture in pictures:
                numbers.append(number_of(picture.bgr(1920)))
                if len(numbers) == 20:
                    break
        assert numbers == list(range(20))
        grab_frame(Source(Kind.RTSP, f"{address}/none"), allowed, 20)
    assert raised.value.reason == Reason.NOT_FOUND


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_its_passwords(film, allowed, method):
    with serving(film, method, "pä/#?@:s") as address:
        source = Source(Kind.RTSP, f"{address}/cam", "admin", "pä/#?@:s")
        assert grab_frame(source, allowed, 20).width == 320
        for wrong in (Source(Kind.RTSP, source.address, "admin", "hunter2"), Source(Kind.RTSP, source.address)):
            with pytest.raises(SourceError) as raised:
                grab_frame(wrong, allowed, 20)
            assert raised.value.reason == Reason.WRONG_PASSWORD
