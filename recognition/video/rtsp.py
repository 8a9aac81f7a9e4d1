"""RTSP cameras (RFC 2326): the talk and the packets are read here, the pictures decoded by FFmpeg.

FFmpeg's own RTSP follows redirects to addresses that nobody checked, cannot be woken while it reads, and repeats the
password in its messages; so it gets no address at all, but coded pictures. Video comes over the same TCP connection
(interleaved), which passes firewalls and loses nothing.
"""

import re
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import parse_headers
from typing import cast

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from recognition.video.credentials import Basic, Digest, answer_to, is_stale
from recognition.video.frame import Picture, VideoPicture
from recognition.video.rtp import AccessUnit, Assembler, packet_of
from recognition.video.sdp import Video, find_video
from recognition.video.source import Allowed, Reason, Source, SourceError, Target, target_of
from recognition.video.watch import Watch
from recognition.video.wire import Wire, wired

STATUS = re.compile(rb"RTSP/1\.\d (\d{3})\b")
MOST_EARLY = 2000  # packets that may come before the reply to PLAY, with the first key picture among them
MOST_ATTEMPTS = 3  # at a request: without a password, with it, and again if the challenge is too old by then
LONGEST_LINE = 4096
MOST_BODY = 64 * 1024
KEEP_ALIVE = 20.0  # seconds, or half of what the camera says
DAMAGED_FOR = 2.0  # seconds after a gap until which a key picture is waited for
REFUSALS = {
    401: Reason.WRONG_PASSWORD,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    454: Reason.LOST,
    461: Reason.NO_VIDEO,
}


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Message
    body: bytes


@contextmanager
def open_rtsp(source: Source, allowed: Allowed, watch: Watch, most_pixels: int) -> Iterator[Iterator[Picture | None]]:
    """The camera's pictures, as they come; None stands for one that is damaged. Raises SourceError, there too."""
    target = target_of(source)
    with wired(source, target, allowed, watch) as wire:
        talk = Talk(wire, source, target)
        yield _pictures(talk, talk.play(), most_pixels)


class Talk:
    """Requests and their replies, with video between them."""

    def __init__(self, wire: Wire, source: Source, target: Target) -> None:
        self._wire = wire
        self._source = source
        self._target = target
        self._number = 0
        self._session = ""
        self._session_url = ""
        self._channels = (0, 1)  # of the video's packets, and of their reports
        self._early: list[bytes] = []
        self._credentials: Digest | Basic | None = None

    def play(self) -> Video:
        """Has the camera begin. Raises SourceError."""
        described = self._ask("DESCRIBE", self._target.url, {"Accept": "application/sdp"})
        base = described.headers["Content-Base"] or described.headers["Content-Location"] or ""
        video = find_video(described.body.decode(errors="replace"), _printable(base) or self._target.url)
        setup = self._ask("SETUP", video.url, {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"})
        self._channels = _channels(setup.headers["Transport"] or "")
        session = setup.headers["Session"] or ""
        found = re.match(r"[!-:<-~]+", session)
        self._session = found[0] if found else ""
        timeout = re.search(r"timeout=(\d{1,5})", session)
        self._pause = min(KEEP_ALIVE, max(1, int(timeout[1])) / 2) if timeout else KEEP_ALIVE
        self._ask("PLAY", video.session_url, {"Range": "npt=0.000-"})
        self._session_url = video.session_url
        return video

    def packets(self) -> Iterator[bytes]:
        """The video's RTP packets, without end: where the camera ends it, SourceError (lost)."""
        alive_at = time.monotonic()
        yield from self._early
        self._early.clear()
        while True:
            if time.monotonic() - alive_at > self._pause:
                alive_at = time.monotonic()
                self._send("OPTIONS", self._session_url)
            match self._next():
                case (channel, data) if channel == self._channels[0]:
                    yield data

    def _ask(self, method: str, url: str, headers: dict[str, str]) -> Reply:
        """A good reply. The password is shown once the camera has asked for it. Raises SourceError."""
        for _ in range(MOST_ATTEMPTS):
            reply = self._exchange(method, url, headers)
            if reply.status != 401 or (self._credentials and not is_stale(reply.headers)):
                break
            self._credentials = answer_to(reply.headers, self._source)
        if reply.status // 100 == 3:
            raise SourceError(Reason.MOVED)
        if reply.status // 100 != 2:
            raise SourceError(REFUSALS.get(reply.status, Reason.NO_VIDEO))
        return reply

    def _exchange(self, method: str, url: str, headers: dict[str, str]) -> Reply:
        self._send(method, url, headers)
        while True:
            found = self._next()
            if not isinstance(found, Reply):
                if found[0] == self._channels[0] and len(self._early) < MOST_EARLY:
                    self._early.append(found[1])
            elif found.headers["CSeq"] in (None, str(self._number)):
                return found

    def _send(self, method: str, url: str, headers: dict[str, str] | None = None) -> None:
        self._number += 1
        fields = {"CSeq": str(self._number), "User-Agent": "Faceplatform", **(headers or {})}
        if self._credentials:
            fields["Authorization"] = self._credentials.authorization(self._source, method, url)
        if self._session:
            fields["Session"] = self._session
        lines = [f"{method} {url} RTSP/1.0", *(f"{name}: {value}" for name, value in fields.items())]
        self._wire.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def _next(self) -> Reply | tuple[int, bytes]:
        """What comes next: a reply, or a channel and its packet. What is neither is passed over."""
        reader = self._wire.reader
        while first := reader.read(1):
            if first == b"$":
                channel, size = struct.unpack(">BH", self._exactly(3))
                if channel in self._channels:
                    return channel, self._exactly(size)
            elif first == b"R" and (line := STATUS.match(first + reader.readline(LONGEST_LINE))):
                headers = parse_headers(reader)
                size = headers["Content-Length"] or "0"
                if not size.isdecimal() or len(size) > 6 or int(size) > MOST_BODY:
                    raise SourceError(Reason.BROKEN)
                return Reply(int(line[1]), headers, self._exactly(int(size)))
        raise SourceError(Reason.LOST)

    def _exactly(self, size: int) -> bytes:
        data = self._wire.reader.read(size)
        if len(data) < size:
            raise SourceError(Reason.LOST)
        return data


def _channels(transport: str) -> tuple[int, int]:
    """Those that the camera has chosen, which need not be those that were asked for."""
    found = re.search(r"interleaved=(\d{1,3})-(\d{1,3})", transport)
    return (int(found[1]), int(found[2])) if found else (0, 1)


def _printable(text: str) -> str:
    """The address, or "" where it is none that can be written in a request."""
    return text.strip() if re.fullmatch(r"\s*rtsps?://[!-~]+\s*", text) else ""


def _pictures(talk: Talk, video: Video, most_pixels: int) -> Iterator[Picture | None]:
    assembler, decoder = Assembler(video), _decoder(video, most_pixels)
    waiting, damaged_until = True, 0.0
    for data in talk.packets():
        packet = packet_of(data)
        if packet is None or packet.payload_type != video.payload_type:
            continue
        for unit in assembler.add(packet):
            if not unit.is_whole:
                damaged_until = time.monotonic() + DAMAGED_FOR
            elif unit.is_key:
                waiting, damaged_until = False, 0.0
            if not waiting:
                yield from _decoded(decoder, unit, damaged_until > time.monotonic(), most_pixels)


def _decoded(
    decoder: VideoCodecContext, unit: AccessUnit, is_damaged: bool, most_pixels: int
) -> Iterator[Picture | None]:
    try:
        frames = decoder.decode(av.Packet(unit.data))
    except FFmpegError:
        yield None
        return
    for frame in frames:
        yield None if is_damaged or frame.is_corrupt else VideoPicture(frame, most_pixels)


def _decoder(video: Video, most_pixels: int) -> VideoCodecContext:
    decoder = cast(VideoCodecContext, av.CodecContext.create(video.codec, "r"))
    # More threads would keep pictures back, one each. A picture that is just too large is to be seen, to say so.
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(4 * most_pixels)}
    return decoder
