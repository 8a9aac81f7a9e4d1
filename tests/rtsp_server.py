"""An RTSP camera on loopback that can misbehave: H.264 or H.265 as RTP, interleaved into the TCP connection."""

import base64
import random
import re
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import av
from mjpeg_server import is_authorized
from tcp_server import TcpServer, reset

MTU = 1200
GARBAGE = random.Random(1).randbytes(300).replace(b"$", b"%")
H264_FRAGMENT, H265_FRAGMENT = 28, 49


@dataclass
class Clip:
    """A video file's coded pictures: for each, whether it is a key picture, and its NAL units."""

    path: Path
    codec: str = "h264"
    fps: float = 15
    parameters: list[bytes] = field(default_factory=list)
    pictures: list[tuple[bool, list[bytes]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            self.codec, self.fps = stream.codec_context.name, float(stream.average_rate)
            for packet in container.demux(stream):
                if packet.size:
                    units = list(_units(bytes(packet)))
                    own = [unit for unit in units if self.is_parameter(unit)]
                    self.parameters = self.parameters or own or list(_units(stream.codec_context.extradata))
                    self.pictures.append((packet.is_keyframe, [unit for unit in units if unit not in own]))

    def is_parameter(self, unit: bytes) -> bool:
        return unit[0] & 31 in (7, 8) if self.codec == "h264" else unit[0] >> 1 & 63 in (32, 33, 34)


def _units(data: bytes):
    """NAL units between start codes (containers such as MPEG-TS keep them so)."""
    for unit in re.split(b"\0\0\0?\1", data)[1:]:
        yield unit.rstrip(b"\0") if len(unit) > 1 else unit


def packets_of(codec: str, units: list[bytes], sequence: int, timestamp: int):
    """RTP packets of one picture: long units in fragments."""
    parts: list[bytes] = []
    for unit in units:
        parts += [unit] if len(unit) <= MTU else _fragments(codec, unit)
    for number, part in enumerate(parts):
        marker = 0x80 if number == len(parts) - 1 else 0
        head = struct.pack(">BBHII", 0x80, 96 | marker, (sequence + number) & 0xFFFF, timestamp & 0xFFFFFFFF, 7)
        yield head + part


def aggregate(codec: str, units: list[bytes]) -> bytes:
    """Several units as one payload (STAP-A, AP)."""
    head = bytes([24 | 0x60]) if codec == "h264" else bytes([48 << 1, 1])
    return head + b"".join(struct.pack(">H", len(unit)) + unit for unit in units)


def _fragments(codec: str, unit: bytes):
    head = 1 if codec == "h264" else 2
    for at in range(head, len(unit), MTU):
        part = unit[at : at + MTU]
        place = (0x80 if at == head else 0) | (0x40 if at + MTU >= len(unit) else 0)
        if codec == "h264":
            yield bytes([unit[0] & 0xE0 | H264_FRAGMENT, place | unit[0] & 31]) + part
        else:
            yield bytes([unit[0] & 0x81 | H265_FRAGMENT << 1, unit[1], place | unit[0] >> 1 & 63]) + part


class RtspServer(TcpServer):
    """Plays `clip` again and again, at its own pace times `speed`.

    fault: none, or from the `after`th picture on: stall, close, rst, reports (of RTCP, but no pictures), loss (5 % of the
    packets), corrupt, garbage (between packets), resize (`other` is played). Or from the beginning: silent, missing,
    forbidden, redirect (to `location`), no_play (the reply comes, pictures do not), audio (no video is offered), busy
    (453), other_port (what to SETUP is said to be at `location`), no_parameters (in the SDP; they come in the stream).
    Or in form: channels (others than those asked for), early (the first picture comes before the reply to PLAY), stale
    (the first right answer to a challenge is said to be too old).
    """

    def __init__(
        self,
        clip: Clip,
        *,
        fault: str = "none",
        after: int = 5,
        speed: float = 1.0,
        auth: tuple[str, str] | None = None,
        digest: str = "",
        other: Clip | None = None,
        location: str = "",
        session_seconds: int = 60,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.clip, self.fault, self.after, self.speed = clip, fault, after, speed
        self.auth, self.digest, self.other, self.location = auth, digest, other, location
        self.session_seconds = session_seconds
        self.requests: list[str] = []
        self.kept_alive = threading.Event()
        self.begun = threading.Event()
        self.channel = 4 if fault == "channels" else 0
        self.is_stale = fault == "stale"
        super().__init__(tls)

    @property
    def address(self) -> str:
        return f"rtsp{'s' if self.tls else ''}://127.0.0.1:{self.port}/cam?stream=1"

    def serve(self, connection: socket.socket) -> None:
        if self.fault == "silent":
            self.stopping.wait()
            return
        lock, sender = threading.Lock(), None
        for head in self._heads(connection):
            method = head.split(" ", 1)[0]
            self.requests.append(head)
            if sender and method == "OPTIONS":
                self.kept_alive.set()
            if method == "PLAY" and self.fault != "no_play":
                sender = threading.Thread(target=self._play, args=(connection, lock), daemon=True)
                self._threads.append(sender)
            if sender and method == "PLAY" and self.fault == "early":
                sender.start()
                self.begun.wait(10)
            with lock:
                connection.sendall(self._reply(method, head))
            if sender and method == "PLAY" and self.fault != "early":
                sender.start()

    @staticmethod
    def _heads(connection: socket.socket):
        received = b""
        while True:
            while b"\r\n\r\n" not in received:
                if not (more := connection.recv(4096)):
                    return
                received += more
            head, received = received.split(b"\r\n\r\n", 1)
            yield head.decode("latin-1")

    def _reply(self, method: str, head: str) -> bytes:
        [number] = re.findall(r"(?m)^CSeq: (\d+)", head)
        status, headers, body = self._answer(method, head)
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        return f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n{headers}{length}\r\n{body}".encode()

    def _answer(self, method: str, head: str) -> tuple[str, str, str]:
        given = re.search("(?m)^Authorization: (.*?)\r?$", head)
        is_right = not self.auth or (given and is_authorized(given[1], method, *self.auth, self.digest))
        if not is_right or (given and self.is_stale):
            stale = ", stale=true" if is_right else ""
            self.is_stale = self.is_stale and not is_right
            kind = f'Digest realm="cam", nonce="n0", {self.digest}{stale}' if self.digest else 'Basic realm="cam"'
            return "401 Unauthorized", f"WWW-Authenticate: {kind}\r\n", ""
        if method == "DESCRIBE":
            return self._described()
        if method == "SETUP":
            session = f"Session: 12;timeout={self.session_seconds}\r\n"
            return (
                "200 OK",
                f"Transport: RTP/AVP/TCP;unicast;interleaved={self.channel}-{self.channel + 1}\r\n{session}",
                "",
            )
        return "200 OK", "Session: 12\r\n" if method == "PLAY" else "Public: DESCRIBE, SETUP, PLAY\r\n", ""

    def _described(self) -> tuple[str, str, str]:
        refused = {
            "missing": ("404 Not Found", ""),
            "forbidden": ("403 Forbidden", ""),
            "busy": ("453 Not Enough Bandwidth", ""),
            "redirect": ("302 Moved Temporarily", f"Location: {self.location}\r\n"),
        }
        if self.fault in refused:
            return *refused[self.fault], ""
        return "200 OK", "Content-Type: application/sdp\r\n", self._sdp()

    def _sdp(self) -> str:
        sets = [base64.b64encode(each).decode() for each in self.clip.parameters]
        if self.clip.codec == "h264":
            name, parameters = "H264", f"packetization-mode=1;sprop-parameter-sets={','.join(sets)}"
        else:
            names = ("sprop-vps", "sprop-sps", "sprop-pps")
            name, parameters = "H265", ";".join(map("=".join, zip(names, sets, strict=True)))
        control = self.location if self.fault == "other_port" else "track1"
        video = f"m=video 0 RTP/AVP 96\na=rtpmap:96 {name}/90000\na=fmtp:96 {parameters}\na=control:{control}\n"
        if self.fault == "no_parameters":
            video = re.sub("a=fmtp.*\n", "", video)
        audio = "m=audio 0 RTP/AVP 0\na=rtpmap:0 PCMU/8000\na=control:track0\n"
        lines = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\na=control:*\n" + audio
        return (lines + ("" if self.fault == "audio" else video)).replace("\n", "\r\n")

    def _play(self, connection: socket.socket, lock: threading.Lock) -> None:
        with suppress(OSError):
            self._send(connection, lock)

    def _send(self, connection: socket.socket, lock: threading.Lock) -> None:
        began, sequence, clip, at = time.monotonic(), 65500, self.clip, 0  # the number begins anew soon
        chance = random.Random(1)
        for number in range(10**9):
            if self.stopping.wait(began + number / clip.fps / self.speed - time.monotonic()):
                return
            has_fault = number >= self.after
            if has_fault and self._ends(connection, lock):
                return
            if has_fault and self.fault == "resize" and clip is self.clip and self.other:
                clip, at = self.other, 0
            is_key, units = clip.pictures[at % len(clip.pictures)]
            at += 1
            if is_key:
                units = [aggregate(clip.codec, clip.parameters), *units]
            for packet in packets_of(clip.codec, units, sequence, number * 6000):
                sequence += 1
                if sent := self._harmed(packet, chance) if has_fault else packet:
                    with lock:
                        connection.sendall(struct.pack(">cBH", b"$", self.channel, len(sent)) + sent)
            self.begun.set()
            if has_fault and self.fault == "garbage":
                with lock:
                    connection.sendall(GARBAGE)

    def _ends(self, connection: socket.socket, lock: threading.Lock) -> bool:
        """What a fault does at the moment that it begins; whether no more pictures are sent."""
        if self.fault == "stall":
            self.stopping.wait()
        elif self.fault == "close":
            connection.shutdown(socket.SHUT_RDWR)
        elif self.fault == "rst":
            reset(connection)
        elif self.fault == "reports":
            report = struct.pack(">BBHII", 0x80, 200, 6, 7, 0) + bytes(16)
            while not self.stopping.wait(0.02):
                with lock:
                    connection.sendall(b"$\1" + struct.pack(">H", len(report)) + report)
        else:
            return False
        return True

    def _harmed(self, packet: bytes, chance: random.Random) -> bytes | None:
        if self.fault == "loss" and chance.random() < 0.05:
            return None
        if self.fault == "corrupt" and chance.random() < 0.5:
            harmed = bytearray(packet)
            for _ in range(20):
                harmed[chance.randrange(12, len(harmed))] = chance.randrange(256)
            return bytes(harmed)
        return packet
