"""MJPEG cameras, good and bad."""

import socket

import pytest
from mjpeg_server import MjpegServer, jpegs
from video_files import number_of, numbered

from recognition.video.opening import grab_frame, open_source
from recognition.video.source import Kind, Reason, Source, SourceError
from recognition.video.watch import Watch


def camera(server, **more):
    return Source(Kind.MJPEG, server.address, **more)


def failure(server, allowed, timeout=5.0, **more) -> SourceError:
    with pytest.raises(SourceError) as raised:
        grab_frame(camera(server, **more), allowed, timeout)
    return raised.value


def read(server, allowed, count, **options):
    with open_source(camera(server), allowed, Watch(10), **options) as pictures:
        return [picture for picture, _ in zip(pictures, range(count), strict=False)]


@pytest.mark.parametrize("form", ["none", "no_length", "dashes", "quoted", "chunked"])
def test_every_picture_comes_once_and_in_order(pictures, allowed, form):
    with MjpegServer(pictures, fault=form, fps=500) as server:
        read_ones = read(server, allowed, 30)
    assert [number_of(picture.bgr(1920)) for picture in read_ones] == [number % 25 for number in range(30)]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("missing", Reason.NOT_FOUND),
        ("forbidden", Reason.FORBIDDEN),
        ("html", Reason.NO_VIDEO),
        ("endless", Reason.BROKEN),
        ("huge", Reason.TOO_LARGE),
    ],
)
def test_refusals(pictures, allowed, fault, reason):
    with MjpegServer(pictures, fault=fault) as server:
        assert failure(server, allowed).reason == reason


@pytest.mark.parametrize(("fault", "reason"), [("close", Reason.LOST), ("rst", Reason.LOST), ("stall", Reason.STALLED)])
def test_a_stream_that_ends(pictures, allowed, fault, reason):
    with (
        pytest.raises(SourceError) as raised,
        MjpegServer(pictures, fault=fault, fps=100) as server,
        open_source(camera(server), allowed, Watch(0.5 if fault == "stall" else 10)) as read_ones,
    ):
        list(read_ones)
    assert raised.value.reason == reason


def test_a_camera_that_says_nothing(pictures, allowed):
    with MjpegServer(pictures, fault="silent") as server:
        assert failure(server, allowed, timeout=0.3).reason == Reason.STALLED


def test_no_redirect_is_followed_and_no_proxy_used(pictures, allowed, monkeypatch):
    with MjpegServer(pictures) as other:
        monkeypatch.setenv("http_proxy", other.address)
        with MjpegServer(pictures, fault="redirect", location=other.address) as server:
            assert failure(server, allowed).reason == Reason.MOVED
        assert other.accepted == 0


@pytest.mark.parametrize("digest", ["", 'algorithm=MD5, qop="auth"', 'algorithm=SHA-256, qop="auth"'])
def test_passwords(pictures, allowed, digest):
    user, password = "admin", 'pä/#?@:"ss'
    with MjpegServer(pictures, auth=(user, password), digest=digest) as server:
        assert grab_frame(camera(server, user=user, password=password), allowed, 5).width == 320
        for wrong in ({"user": user, "password": "hunter2"}, {}):
            assert failure(server, allowed, **wrong).reason == Reason.WRONG_PASSWORD
        assert len(server.requests) == 2 + 2 + 1


def test_the_address_is_checked_at_each_connection(pictures, allowed, monkeypatch):
    """Between the question for the password and its answer, the name changes to where nobody may read."""
    resolve, answers = socket.getaddrinfo, ["127.0.0.1", "169.254.169.254"]

    def changing(host, *arguments, **options):
        return resolve(answers.pop(0) if host == "cam.example" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    with MjpegServer(pictures, auth=("admin", "x")) as server, pytest.raises(SourceError) as raised:
        grab_frame(Source(Kind.MJPEG, f"http://cam.example:{server.port}/", "admin", "x"), allowed, 5)
    assert raised.value.reason == Reason.NOT_ALLOWED
    assert len(server.requests) == 1


@pytest.mark.parametrize("form", ["truncated", "corrupt"])
def test_what_is_damaged_is_not_handed_on(pictures, allowed, form):
    with MjpegServer(pictures, fault=form, after=0, fps=500) as server:
        assert number_of(grab_frame(camera(server), allowed, 5).bgr) == 1
        if form == "truncated":
            read_ones = read(server, allowed, 9)
            assert [picture is None for picture in read_ones] == [True, False, False] * 3


def test_another_resolution_in_the_middle(pictures, allowed):
    others = jpegs(numbered(25, (160, 120)))
    with MjpegServer(pictures, fault="resize", others=others, fps=500) as server:
        assert [picture.width for picture in read(server, allowed, 10)] == [320] * 5 + [160] * 5


def test_too_large(pictures, allowed):
    with MjpegServer(pictures) as server, pytest.raises(SourceError) as raised:
        read(server, allowed, 1, most_pixels=320 * 240 - 1)
    assert raised.value.reason == Reason.TOO_LARGE


def test_tls(pictures, allowed, server_tls):
    with MjpegServer(pictures, tls=server_tls) as server:
        assert grab_frame(camera(server), allowed, 5).width == 320
        assert failure(server, allowed, verify_tls=True).reason == Reason.TLS
