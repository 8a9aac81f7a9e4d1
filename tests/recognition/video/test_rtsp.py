"""RTSP cameras, good and bad."""

import threading
import time
from contextlib import suppress

import numpy as np
import pytest
from rtsp_server import RtspServer
from tcp_server import TcpServer
from video_files import number_of, numbered

from recognition.video.opening import grab_frame, open_source
from recognition.video.source import Allowed, Kind, Reason, Source, SourceError
from recognition.video.watch import Cancelled, Watch


def camera(server, **more):
    return Source(Kind.RTSP, server.address, **more)


def failure(server, allowed, timeout=5.0, **more) -> SourceError:
    with pytest.raises(SourceError) as raised:
        grab_frame(camera(server, **more), allowed, timeout)
    return raised.value


def read(server, allowed, count, **options):
    """The first pictures, None for a damaged one."""
    with open_source(camera(server), allowed, Watch(10), **options) as pictures:
        return [picture for picture, _ in zip(pictures, range(count), strict=False)]


@pytest.mark.parametrize(
    ("codec", "form"), [("h264", "none"), ("h265", "none"), ("h264", "channels"), ("h264", "early")]
)
def test_every_picture_comes_once_and_in_order(clips, allowed, codec, form):
    with RtspServer(clips[codec], fault=form, speed=10) as server:
        pictures = read(server, allowed, 30)
    assert [number_of(picture.bgr(1920)) for picture in pictures] == [number % 25 for number in range(30)]
    assert {(picture.width, picture.height) for picture in pictures} == {(320, 240)}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("missing", Reason.NOT_FOUND),
        ("forbidden", Reason.FORBIDDEN),
        ("redirect", Reason.MOVED),
        ("audio", Reason.NO_VIDEO),
        ("busy", Reason.NO_VIDEO),
    ],
)
def test_refusals(clips, allowed, fault, reason):
    with RtspServer(clips["h264"], fault=fault, location="rtsp://127.0.0.1:1/") as server:
        assert failure(server, allowed).reason == reason


@pytest.mark.parametrize("fault", ["silent", "no_play"])
def test_a_camera_that_says_nothing(clips, allowed, fault):
    with RtspServer(clips["h264"], fault=fault) as server:
        assert failure(server, allowed, timeout=0.3).reason == Reason.STALLED


@pytest.mark.parametrize("fault", ["close", "rst"])
def test_a_connection_that_ends(clips, allowed, fault):
    with RtspServer(clips["h264"], fault=fault, speed=10) as server, pytest.raises(SourceError) as raised:
        read(server, allowed, 100)
    assert raised.value.reason == Reason.LOST


@pytest.mark.parametrize("fault", ["redirect", "other_port"])
def test_no_other_address_is_called(clips, allowed, fault):
    """Neither that of a redirect, nor one in the description: what follows goes over the connection that was checked."""
    with RtspServer(clips["h264"]) as other:
        with RtspServer(clips["h264"], fault=fault, location=other.address) as server, suppress(SourceError):
            grab_frame(camera(server), allowed, 5)
        assert server.accepted == 1
        assert other.accepted == 0


@pytest.mark.parametrize(
    "digest", ["", "algorithm=MD5", 'qop="auth,auth-int"', 'algorithm=SHA-256, qop="auth", opaque="a\\"b"']
)
def test_passwords(clips, allowed, digest):
    user, password = "adm:in" if digest else "admin", 'pä/#?@:"ss'
    with RtspServer(clips["h264"], auth=(user, password), digest=digest) as server:
        assert grab_frame(camera(server, user=user, password=password), allowed, 5).width == 320
        for wrong in ({"user": user, "password": "hunter2"}, {}):
            error = failure(server, allowed, **wrong)
            assert error.reason == Reason.WRONG_PASSWORD
            assert "hunter2" not in str(error)
        assert len(server.requests) == 4 + 2 + 1  # asked once for the password, which is shown once each time


def test_a_challenge_that_is_too_old_is_answered_again(clips, allowed):
    with RtspServer(clips["h264"], fault="stale", auth=("admin", "x"), digest='qop="auth"') as server:
        assert grab_frame(camera(server, user="admin", password="x"), allowed, 5).width == 320
        assert len(server.requests) == 5


def test_a_password_that_nobody_asks_for_stays_here(clips, allowed):
    with RtspServer(clips["h264"]) as server:
        grab_frame(camera(server, user="admin", password="hunter2"), allowed, 5)
    assert not any("Authorization" in head for head in server.requests)


@pytest.mark.parametrize("fault", ["loss", "corrupt", "garbage"])
def test_what_is_damaged_is_not_handed_on(clips, allowed, fault):
    sent = list(numbered(25))
    with RtspServer(clips["h264"], fault=fault, after=1, speed=20) as server:
        pictures = read(server, allowed, 60)
    good = [picture.bgr(1920) for picture in pictures if picture]
    assert len(good) >= 2
    if fault == "loss":
        assert len(good) < len(pictures)
    if fault != "corrupt":  # a changed byte may still be valid video
        for pixels in good:
            assert np.abs(pixels.astype(int) - sent[number_of(pixels)]).mean() < 6


def test_another_resolution_in_the_middle(clips, allowed):
    with RtspServer(clips["h264"], fault="resize", other=clips["small"], speed=10) as server:
        pictures = read(server, allowed, 10)
    assert [picture.width for picture in pictures] == [320] * 5 + [160] * 5
    assert number_of(pictures[5].bgr(1920)) == 0


def test_parameters_may_come_in_the_stream_alone(clips, allowed):
    with RtspServer(clips["h264"], fault="no_parameters") as server:
        assert number_of(grab_frame(camera(server), allowed, 5).bgr) == 0


def test_a_session_is_kept_alive(clips, allowed, monkeypatch):
    monkeypatch.setattr("recognition.video.rtsp.KEEP_ALIVE", 0.1)
    watch = Watch(10)
    with RtspServer(clips["h264"]) as server, open_source(camera(server), allowed, watch) as pictures:
        while not server.kept_alive.is_set():
            next(pictures)
        assert "Session: 12" in server.requests[-1]
        assert next(pictures) is not None  # the reply is passed over


def test_too_large(clips, allowed):
    with RtspServer(clips["h264"]) as server, pytest.raises(SourceError) as raised:
        read(server, allowed, 1, most_pixels=320 * 240 - 1)
    assert raised.value.reason == Reason.TOO_LARGE


def test_tls(clips, allowed, server_tls):
    with RtspServer(clips["h264"], tls=server_tls) as server:
        assert grab_frame(camera(server), allowed, 5).width == 320
        assert failure(server, allowed, verify_tls=True).reason == Reason.TLS
    with RtspServer(clips["h264"]) as server:
        secure = Source(Kind.RTSP, server.address.replace("rtsp:", "rtsps:"))
        with pytest.raises(SourceError):
            grab_frame(secure, allowed, 1)


class Noise(TcpServer):
    def __init__(self, data: bytes) -> None:
        self.data = data
        super().__init__()

    def serve(self, connection) -> None:
        connection.recv(4096)
        connection.sendall(self.data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 99999999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: x\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n" + b"X: 1\r\n" * 200,
        b"RTSP/1.0 200 OK\r\n" + b"x" * 100_000,
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 500\r\n\r\nshort",
        b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest nonsense, =\r\n\r\n",
        b"$\0\xff\xff" * 50,
        np.random.default_rng(1).integers(0, 255, 20_000, np.uint8).tobytes(),
    ],
)
@pytest.mark.parametrize("kind", [Kind.RTSP, Kind.MJPEG])
def test_no_camera_at_all(allowed, kind, data):
    with Noise(data) as server:
        address = f"{'rtsp' if kind == Kind.RTSP else 'http'}://127.0.0.1:{server.port}/"
        with pytest.raises(SourceError):
            grab_frame(Source(kind, address, "admin", "hunter2"), allowed, 5)


def test_nobody_there(allowed):
    with TcpServer() as server:
        pass
    for kind, scheme in ((Kind.RTSP, "rtsp"), (Kind.MJPEG, "http")):
        source = Source(kind, f"{scheme}://127.0.0.1:{server.port}/")
        with pytest.raises(SourceError) as raised:
            grab_frame(source, allowed, 5)
        assert raised.value.reason == Reason.REFUSED
        with pytest.raises(SourceError) as raised:
            grab_frame(source, Allowed(), 5)
        assert raised.value.reason == Reason.NOT_ALLOWED


@pytest.mark.parametrize("fault", ["silent", "no_play", "reports"])
def test_a_wait_ends_at_once_when_it_is_cancelled(clips, allowed, fault):
    watch, ended = Watch(600), []

    def wait() -> None:
        with suppress(Cancelled), open_source(camera(server), allowed, watch) as pictures:
            for _ in pictures:
                pass
        ended.append(time.monotonic())

    with RtspServer(clips["h264"], fault=fault, speed=20) as server:
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        while server.accepted == 0 or (fault != "silent" and "PLAY" not in "".join(server.requests)):
            time.sleep(0.001)
        watch.cancel()
        thread.join(5)
    assert ended
