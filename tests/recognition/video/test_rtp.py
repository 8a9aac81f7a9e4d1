"""Packets put together, in every form that cameras send; and what is no packet."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtsp_server import aggregate, packets_of

from recognition.video.rtp import Assembler, packet_of
from recognition.video.sdp import START, Video, find_video
from recognition.video.source import Reason, SourceError

IDR, SLICE, SPS, PPS = (bytes([0x60 | kind]) + bytes(range(1, 200)) * 20 for kind in (5, 1, 7, 8))
LONG = 3000


def video(codec="h264", parameters=b""):
    return Video(codec, 96, "rtsp://cam/1", "rtsp://cam/", parameters)


def assembled(codec, pictures, *, start=65534, lost=(), parameters=b""):
    """pictures: for each, its units. lost: which packets do not arrive, by their number."""
    assembler = Assembler(video(codec, parameters))
    number, units = start, []
    for at, each in enumerate(pictures):
        for data in packets_of(codec, each, number, at * 6000):
            if number - start not in lost:
                units += assembler.add(packet_of(data))
            number += 1
    return units


def test_long_units_come_in_fragments_across_the_end_of_the_numbers():
    first, second = assembled("h264", [[IDR[:LONG]], [SLICE[:LONG], SLICE[:50]]])
    assert first.data == START + IDR[:LONG] and first.is_key and first.is_whole
    assert second.data == START + SLICE[:LONG] + START + SLICE[:50] and not second.is_key and second.is_whole


def test_short_units_come_in_one_packet():
    [unit] = assembled("h264", [[aggregate("h264", [SPS[:30], PPS[:9]]), IDR[:LONG]]])
    assert unit.data == START + SPS[:30] + START + PPS[:9] + START + IDR[:LONG]


def test_parameters_of_the_description_go_before_a_key_picture_without_its_own():
    first, second = assembled("h264", [[IDR[:60]], [SPS[:30], IDR[:60]]], parameters=START + b"told")
    assert first.data == START + b"told" + START + IDR[:60]
    assert b"told" not in second.data


def test_h265():
    idr, slice_ = bytes([19 << 1, 1]) + IDR[:LONG], bytes([1 << 1, 1]) + SLICE[:40]
    sps = bytes([33 << 1, 1]) + SPS[:20]
    first, second = assembled("hevc", [[aggregate("hevc", [sps]), idr], [slice_]])
    assert first.data == START + sps + START + idr and first.is_key
    assert second.data == START + slice_ and not second.is_key


def test_a_gap_is_told_with_the_picture_that_it_falls_into():
    pictures = [[IDR[:LONG]], [SLICE[:LONG]], [SLICE[:LONG]], [SLICE[:LONG]]]  # three packets each
    assert [unit.is_whole for unit in assembled("h264", pictures, lost={4})] == [True, False, True, True]
    assert [unit.is_whole for unit in assembled("h264", pictures, lost={5, 6})] == [True, False, False, True]
    assert [unit.is_whole for unit in assembled("h264", pictures, lost={3, 4, 5})] == [True, False, True]


def test_extensions_and_padding_are_taken_off():
    head = struct.pack(">BBHII", 0xB1, 0xE0, 7, 8, 9) + b"CSRC" + struct.pack(">HH", 1, 2) + b"extended"
    packet = packet_of(head + b"body" + b"\0\0\3")
    assert packet and (packet.payload, packet.marker, packet.payload_type, packet.sequence) == (b"body", True, 96, 7)


@given(st.lists(st.binary(max_size=80), max_size=6), st.sampled_from(["h264", "hevc"]))
def test_no_bytes_break_it(bodies, codec):
    assembler = Assembler(video(codec))
    for number, body in enumerate(bodies):
        for data in (body, struct.pack(">BBHII", 0x80, 0xE0, number, number, 1) + body):
            if packet := packet_of(data):
                assert all(unit.data for unit in assembler.add(packet))


SDP = """v=0
m=audio 0 RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=control:rtsp://cam/audio
m=video 0 RTP/AVP 97
a=rtpmap:97 {name}/90000
a=fmtp:97 packetization-mode=1; sprop-parameter-sets=Z0IA,aM4=
a=control:{control}
"""


def test_the_video_is_found_among_other_media():
    found = find_video(SDP.format(name="H264", control="track1"), "rtsp://cam/ch?x=1")
    assert found == Video(
        "h264", 97, "rtsp://cam/ch?x=1/track1", "rtsp://cam/ch?x=1", START + b"gB\0" + START + b"h\xce"
    )
    assert find_video(SDP.format(name="H265", control="rtsp://other/x"), "rtsp://cam/").url == "rtsp://other/x"
    with pytest.raises(SourceError, match=r"H\.264") as raised:
        find_video(SDP.format(name="JPEG", control="track1"), "rtsp://cam/")
    assert raised.value.reason == Reason.NO_VIDEO


@given(st.text(alphabet="mav=\n video0/RTP960:control fmtp;,=H264\0é", max_size=200))
def test_no_text_breaks_a_description(text):
    for each in (text, SDP.format(name="H264", control=text.replace("\n", "")) + text):
        try:
            find_video(each, "rtsp://cam/")
        except SourceError as error:
            assert error.reason == Reason.NO_VIDEO
