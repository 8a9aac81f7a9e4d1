"""RTP packets (RFC 3550) put together to coded pictures of H.264 (RFC 6184) or H.265 (RFC 7798).

A coded picture is an access unit: the NAL units of one time stamp, each after a start code (Annex B).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from recognition.video.sdp import START, Video

MOST_BYTES = 8 * 2**20  # of a coded picture
HEADER = struct.Struct(">BBHII")


@dataclass(frozen=True, slots=True)
class Packet:
    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """is_key: whether decoding can begin here. is_whole: whether no packet of it, or before it, is missing."""

    data: bytes
    is_key: bool
    is_whole: bool


def packet_of(data: bytes) -> Packet | None:
    """None where this is no RTP packet."""
    if len(data) < HEADER.size or data[0] >> 6 != 2:
        return None
    first, second, sequence, timestamp, _ = HEADER.unpack_from(data)
    at = HEADER.size + 4 * (first & 15)
    if first & 16 and len(data) >= at + 4:  # an extension
        at += 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
    end = len(data) - data[-1] if first & 32 else len(data)
    return Packet(bool(second & 128), second & 127, sequence, timestamp, data[at:end]) if at < end else None


class Assembler:
    """Takes packets in their order, gives access units. A gap in the numbers marks the units it touches."""

    def __init__(self, video: Video) -> None:
        self._video = video
        self._parts = _h264 if video.codec == "h264" else _h265
        self._sequence: int | None = None
        self._timestamp: int | None = None
        self._whole = True
        self._data = bytearray()
        self._types: set[int] = set()

    def add(self, packet: Packet) -> Iterator[AccessUnit]:
        has_gap = self._sequence is not None and packet.sequence != self._sequence + 1 & 0xFFFF
        self._sequence = packet.sequence
        self._whole = self._whole and not has_gap
        if packet.timestamp != self._timestamp:
            yield from self._finish()  # its end is in the gap, if there is one
            self._begin(packet.timestamp)
            self._whole = not has_gap
        if len(self._data) < MOST_BYTES:
            for begins, part in self._parts(packet.payload):
                self._data += START + part if begins else part
                if begins and part:
                    self._types.add(self._type_of(part))
        else:
            self._whole = False
        if packet.marker:
            yield from self._finish()
            self._begin(None)

    def _begin(self, timestamp: int | None) -> None:
        self._timestamp = timestamp
        self._whole = True
        self._data = bytearray()
        self._types = set()

    def _finish(self) -> Iterator[AccessUnit]:
        if not self._data:
            return
        is_key, has_parameters = self._kinds()
        before = self._video.parameters if is_key and not has_parameters else b""
        yield AccessUnit(before + bytes(self._data), is_key, self._whole)

    def _kinds(self) -> tuple[bool, bool]:
        """Whether it is a key picture, and whether it has its parameter sets with it."""
        if self._video.codec == "h264":
            return bool(self._types & {5, 7}), 7 in self._types
        return bool(self._types & {*range(16, 24), 33}), 33 in self._types

    def _type_of(self, part: bytes) -> int:
        return part[0] & 31 if self._video.codec == "h264" else part[0] >> 1 & 63


Parts = Iterator[tuple[bool, bytes]]  # of NAL units, each with whether it begins one


def _h264(payload: bytes) -> Parts:
    kind = payload[0] & 31
    if 0 < kind < 24:
        yield True, payload
    elif kind == 24:  # several in one packet
        yield from _aggregated(payload, 1)
    elif kind == 28 and len(payload) > 2:  # a fragment
        if payload[1] & 128:
            yield True, bytes([payload[0] & 0xE0 | payload[1] & 31])
        yield False, payload[2:]


def _h265(payload: bytes) -> Parts:
    kind = payload[0] >> 1 & 63
    if kind < 48:
        yield True, payload
    elif kind == 48:
        yield from _aggregated(payload, 2)
    elif kind == 49 and len(payload) > 3:
        if payload[2] & 128:
            yield True, bytes([payload[0] & 0x81 | (payload[2] & 63) << 1, payload[1]])
        yield False, payload[3:]


def _aggregated(payload: bytes, at: int) -> Parts:
    while at + 2 < len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")
        yield True, payload[at + 2 : at + 2 + size]
        at += 2 + size
