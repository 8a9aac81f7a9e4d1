"""A camera that is read all the time, whatever becomes of it."""

import threading
from dataclasses import replace
from itertools import pairwise

import pytest
from mjpeg_server import MjpegServer
from rtsp_server import RtspServer
from video_files import number_of, numbered, write_video

from recognition.video import reader as module
from recognition.video.opening import grab_frame
from recognition.video.reader import Reader, Status
from recognition.video.source import Kind, Reason, Source, SourceError

ALL = 1e6  # frames a second: more than ever come
SOON = 10  # seconds until a test gives up waiting for what comes at once


def rtsp(server, **more):
    return Source(Kind.RTSP, server.address, **{"fps": ALL, **more})


def until(reader, condition):
    """Waits until the reader's state is so, and returns it."""
    with reader.arrived:
        # Not each change of the state is told: a stream that grows slow only shows when it is looked at.
        for _ in range(SOON * 50):
            if condition(reader.state):
                return reader.state
            reader.arrived.wait(0.02)
    raise AssertionError(reader.state)


def camera_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("video")]


def test_frames_arrive_in_order_and_the_newest_wins(clips, allowed):
    with RtspServer(clips["h264"], speed=10) as server, Reader(rtsp(server), allowed) as reader:
        first = reader.wait(SOON)
        assert number_of(first.bgr) == (first.seq - 1) % 25 and first.luma.shape == (90, 160)
        dropped = reader.state.drops
        until(reader, lambda state: state.drops >= dropped + 5)
        late = reader.take()
        assert late.seq >= first.seq + 6
        assert number_of(late.bgr) == (late.seq - 1) % 25
        assert late.monotonic > first.monotonic and late.taken_at > first.taken_at
        state = reader.state
    assert state.status == Status.LIVE and state.reason is None
    assert (state.width, state.height, state.reconnects, state.damaged) == (320, 240, 0, 0)


def test_no_more_frames_than_are_wanted(clips, allowed):
    """Of 150 pictures a second."""
    with RtspServer(clips["h264"], speed=10) as server, Reader(rtsp(server, fps=10), allowed) as reader:
        frames = [reader.wait(SOON) for _ in range(5)]
        assert frames[-1].monotonic - frames[0].monotonic > 0.3
        reader.fps = ALL
        numbers = [number_of(reader.wait(SOON).bgr) for _ in range(30)]
        assert any(later - earlier == 1 for earlier, later in pairwise(numbers))


def test_one_thread_waits_for_many_cameras(clips, pictures, allowed):
    arrived = threading.Condition()
    with (
        RtspServer(clips["h264"]) as good,
        MjpegServer(pictures) as other,
        RtspServer(clips["h264"], fault="silent") as bad,
    ):
        sources = [rtsp(good), Source(Kind.MJPEG, other.address), rtsp(bad)]
        readers = [Reader(source, allowed, arrived=arrived) for source in sources]
        for reader in readers:
            reader.start()
        seen = set()
        with arrived:
            while seen != {0, 1}:
                seen |= {number for number, reader in enumerate(readers) if reader.take()}
                assert arrived.wait(SOON)
        assert readers[2].state.status == Status.CONNECTING
        assert all(reader.stop() for reader in readers)


@pytest.mark.parametrize(
    ("fault", "short", "reason"),
    [
        ("close", {}, Reason.LOST),
        ("rst", {}, Reason.LOST),
        ("stall", {"stalled": 0.3}, Reason.STALLED),
        ("reports", {"stalled": 0.3}, Reason.STALLED),
        ("no_play", {"opening": 0.3}, Reason.STALLED),
    ],
)
def test_a_lost_camera_is_opened_again(clips, allowed, hasty, fault, short, reason):
    patience = replace(hasty, **short)
    with (
        RtspServer(clips["h264"], fault=fault, speed=10) as server,
        Reader(rtsp(server), allowed, patience=patience) as reader,
    ):
        lost = until(reader, lambda state: state.status == Status.OFFLINE)
        assert lost.reason == reason and lost.sentence
        reader.take()
        server.fault = "none"
        assert reader.wait(SOON)
        back = until(reader, lambda state: state.status == Status.LIVE)
        assert back.reconnects >= 1 and back.since >= lost.since and back.reason is None


def test_a_password_that_is_put_right(clips, allowed, hasty):
    with RtspServer(clips["h264"], auth=("admin", "other")) as server:
        source = rtsp(server, user="admin", password="hunter2")
        with Reader(source, allowed, patience=hasty) as reader:
            state = until(reader, lambda state: state.reconnects >= 2)
            assert (state.status, state.reason) == (Status.OFFLINE, Reason.WRONG_PASSWORD)
            assert "hunter2" not in repr(state)
            server.auth = ("admin", "hunter2")
            assert reader.wait(SOON)


def test_a_stream_that_stops_is_degraded_before_it_is_offline(clips, allowed, hasty):
    patience = replace(hasty, late=0.2)
    with (
        RtspServer(clips["h264"], fault="stall", speed=10) as server,
        Reader(rtsp(server), allowed, patience=patience) as reader,
    ):
        state = until(reader, lambda state: state.status == Status.DEGRADED)
        assert state.reason == Reason.STALLED and state.since == state.last_frame_at


def test_damaged_pictures_are_counted_and_alone_keep_nothing_alive(pictures, allowed, hasty):
    patience = replace(hasty, opening=0.5)
    with (
        MjpegServer([picture[:-2] for picture in pictures], fps=200) as server,
        Reader(Source(Kind.MJPEG, server.address), allowed, patience=patience) as reader,
    ):
        state = until(reader, lambda state: state.status == Status.OFFLINE and state.damaged > 10)
        assert state.reason == Reason.STALLED and state.last_frame_at is None
        assert reader.take() is None


def test_another_resolution_goes_on(clips, allowed):
    with (
        RtspServer(clips["h264"], fault="resize", other=clips["small"], speed=10) as server,
        Reader(rtsp(server), allowed) as reader,
    ):
        state = until(reader, lambda state: state.width == 160)
        assert (state.height, state.reconnects) == (120, 0)


@pytest.mark.parametrize("fault", ["silent", "no_play", "none", "missing"])
def test_it_stops_at_once_whatever_it_waits_for(clips, allowed, fault):
    """An answer, a picture, nobody who takes it, or the next attempt in a minute."""
    with RtspServer(clips["h264"], fault=fault) as server:
        reader = Reader(rtsp(server), allowed)
        reader.start()
        if fault == "missing":
            until(reader, lambda state: state.status == Status.OFFLINE)
        elif fault == "none":
            assert reader.wait(SOON)
        assert reader.stop(timeout=5)
    assert reader.is_over and reader.take() is None and reader.wait(SOON) is None
    assert not camera_threads()


def test_who_waits_is_told_that_it_is_over(clips, allowed):
    with RtspServer(clips["h264"], fault="silent") as server, Reader(rtsp(server), allowed) as reader:
        waiting = threading.Thread(target=reader.wait)
        waiting.start()
        reader.stop()
        waiting.join(SOON)
        assert not waiting.is_alive()


def test_a_thread_that_cannot_be_woken_is_left_and_hands_on_nothing(clips, allowed, monkeypatch):
    """As while DNS does not answer."""
    opened, answer = threading.Event(), threading.Event()
    real = module.open_source

    def slow(*arguments):
        opened.set()
        answer.wait(SOON)
        return real(*arguments)

    monkeypatch.setattr(module, "open_source", slow)
    with RtspServer(clips["h264"]) as server:
        reader = Reader(rtsp(server), allowed)
        reader.start()
        assert opened.wait(SOON)
        assert not reader.stop(timeout=0.05)
        answer.set()
        reader._thread.join(SOON)
        assert not reader._thread.is_alive()
    assert reader.take() is None and server.accepted == 0


def test_what_nobody_expected_does_not_end_it(clips, allowed, hasty, monkeypatch, caplog):
    real, failures = module.open_source, [ZeroDivisionError("odd")]

    def failing(*arguments):
        if failures:
            raise failures.pop()
        return real(*arguments)

    monkeypatch.setattr(module, "open_source", failing)
    with RtspServer(clips["h264"]) as server, Reader(rtsp(server), allowed, patience=hasty) as reader:
        assert reader.wait(SOON)
        assert reader.state.reconnects == 1
    assert "video of camera" in caplog.text and "odd" in caplog.text


def test_a_file_ends(tmp_path, allowed):
    write_video(tmp_path / "a.mp4", numbered(12), fps=100)
    with Reader(Source(Kind.FILE, "a.mp4", fps=ALL), allowed) as reader:
        frames = list(iter(lambda: reader.wait(SOON), None))
        assert reader.is_over
        assert (reader.state.status, reader.state.reason) == (Status.OFFLINE, Reason.ENDED)
    assert number_of(frames[-1].bgr) == 11
    assert len(frames) + reader.state.drops == 12


def test_trying_a_camera_leaves_nothing_behind(clips, allowed):
    before = threading.active_count()
    for fault in ("none", "silent", "missing"):
        with RtspServer(clips["h264"], fault=fault) as server:
            during = threading.active_count()
            try:
                grab_frame(rtsp(server), allowed, 0.2 if fault == "silent" else SOON)
            except SourceError:
                assert fault != "none"
            assert threading.active_count() <= during + 2  # the server's own
    assert threading.active_count() <= before
