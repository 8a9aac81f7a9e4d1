"""What may be read, what is an address, and that no secret is told."""

import os

import pytest

from recognition.video.source import Allowed, Kind, Reason, Source, SourceError, check_source, open_file, target_of


def refused(source, allowed=None) -> SourceError:
    with pytest.raises(SourceError) as raised:
        check_source(source, allowed or Allowed())
    return raised.value


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        (Kind.RTSP, "http://10.0.0.1/"),
        (Kind.MJPEG, "file:///etc/passwd"),
        (Kind.MJPEG, "rtsp://10.0.0.1/"),
        (Kind.RTSP, "10.0.0.1"),
        (Kind.RTSP, "rtsp:///path"),
        (Kind.RTSP, "rtsp://10.0.0.1:99999/"),
        (Kind.RTSP, "rtsp://[::1/"),
        (Kind.RTSP, "rtsp://10.0.0.1/a b"),
        (Kind.RTSP, "rtsp://10.0.0.1/\r\nX: 1"),
        (Kind.RTSP, "rtsp://admin:hunter2@10.0.0.1/"),
        (Kind.RTSP, "rtsp://" + "a" * 70 + ".example/"),
    ],
)
def test_what_is_no_address(kind, address):
    error = refused(Source(kind, address))
    assert error.reason == Reason.BAD_ADDRESS
    assert "hunter2" not in str(error)


def test_a_header_cannot_be_smuggled_in_by_a_password():
    assert refused(Source(Kind.RTSP, "rtsp://10.0.0.1/", "admin", "x\r\nX: 1")).reason == Reason.BAD_ADDRESS


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0x7f.1"])
@pytest.mark.parametrize(("kind", "scheme"), [(Kind.RTSP, "rtsp"), (Kind.MJPEG, "https")])
def test_addresses_that_may_not_be_read(kind, scheme, host):
    assert refused(Source(kind, f"{scheme}://{host}/")).reason == Reason.NOT_ALLOWED


def test_a_camera_in_a_private_network_may_be_read():
    check_source(Source(Kind.RTSP, "rtsp://192.168.1.20/stream"), Allowed())
    check_source(Source(Kind.MJPEG, "http://[fd12::5]:8080/"), Allowed())


def test_the_parts_of_an_address():
    assert target_of(Source(Kind.RTSP, "rtsp://cam/ch#1?q=ü&x=%20")).url == "rtsp://cam:554/ch%231?q=%C3%BC&x=%20"
    assert target_of(Source(Kind.RTSP, "rtsps://[fd12::5]")).url == "rtsps://[fd12::5]:322/"
    assert target_of(Source(Kind.MJPEG, "https://cam?x=1")).path == "/?x=1"


def test_secrets_are_not_shown():
    source = Source(Kind.MJPEG, "http://cam/?token=abc", "admin", "hunter2")
    for shown in (repr(source), f"{source}", repr(target_of(source))):
        assert "hunter2" not in shown and "admin" not in shown and "abc" not in shown


def test_files_below_the_folder_alone(tmp_path):
    folder = tmp_path / "videos"
    (folder / "hall").mkdir(parents=True)
    (folder / "hall" / "a.mp4").write_bytes(b"inside")
    (tmp_path / "b.mp4").write_bytes(b"outside")
    (folder / "out.mp4").symlink_to(tmp_path / "b.mp4")
    (folder / "up").symlink_to(tmp_path)
    (folder / "in.mp4").symlink_to(folder / "hall" / "a.mp4")
    os.mkfifo(folder / "pipe")
    allowed = Allowed(folder=folder)
    for inside in ("hall/a.mp4", "in.mp4", str(folder / "hall" / "a.mp4"), "hall/../hall/a.mp4"):
        with open_file(Source(Kind.FILE, inside), allowed) as file:
            assert file.read() == b"inside"
    for outside in (
        "../b.mp4",
        "out.mp4",
        "up/b.mp4",
        "/etc/passwd",
        "hall",
        "pipe",
        "none.mp4",
        "a\0b",
        "",
        "x" * 5000,
    ):
        assert refused(Source(Kind.FILE, outside), allowed).reason == Reason.NOT_FOUND, outside
    assert refused(Source(Kind.FILE, "hall/a.mp4")).reason == Reason.NOT_ALLOWED


def test_devices_that_are_listed():
    check_source(Source(Kind.DEVICE, "/dev/video0"), Allowed(devices=["/dev/video0"]))
    assert refused(Source(Kind.DEVICE, "/dev/video1"), Allowed(devices=["/dev/video0"])).reason == Reason.NOT_ALLOWED
