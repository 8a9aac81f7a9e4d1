"""What an RTSP camera says it sends (SDP, RFC 8866): the first video that can be read."""

import base64
import binascii
import re
from dataclasses import dataclass

from recognition.engine.texts import gettext_noop
from recognition.video.source import Reason, SourceError

CODECS = {"H264": "h264", "H265": "hevc", "HEVC": "hevc"}  # as SDP calls them → as FFmpeg does
PARAMETER_SETS = ("sprop-vps", "sprop-sps", "sprop-pps", "sprop-parameter-sets")
START = b"\0\0\0\1"


@dataclass(frozen=True, slots=True)
class Video:
    """codec: FFmpeg's name. payload_type: of its RTP packets. url: what to SETUP. session_url: what to PLAY.

    parameters: its parameter sets as they stand in a stream (Annex B), perhaps none."""

    codec: str
    payload_type: int
    url: str
    session_url: str
    parameters: bytes


def find_video(text: str, base: str) -> Video:
    """base: the address that relative ones continue. Raises SourceError (no_video)."""
    session, *media = re.split(r"(?m)^(?=m=)", text.replace("\r", ""))
    for each in media:
        described = re.match(r"m=video \d+ \S+ (\d+)", each)
        if not described:
            continue
        payload_type = int(described[1])
        name = _attribute(each, rf"rtpmap:{payload_type} ([^/\s]+)/90000").upper()
        if name in CODECS:
            return Video(
                CODECS[name],
                payload_type,
                _joined(base, _attribute(each, r"control:([!-~]+)")),
                _joined(base, _attribute(session, r"control:([!-~]+)")),
                _parameters(_attribute(each, rf"fmtp:{payload_type} (.*)")),
            )
    raise SourceError(
        Reason.NO_VIDEO,
        gettext_noop("The camera sends no video as H.264 or H.265. Choose one of them in its settings."),
    )


def _attribute(text: str, pattern: str) -> str:
    found = re.search(f"(?m)^a={pattern}", text)
    return found[1] if found else ""


def _joined(base: str, control: str) -> str:
    if control in ("", "*"):
        return base
    if re.match(r"(?i)rtsps?://", control):
        return control
    return base + ("" if base.endswith("/") else "/") + control


def _parameters(fmtp: str) -> bytes:
    fields = dict(field.strip().split("=", 1) for field in fmtp.split(";") if "=" in field)
    sets = [each for name in PARAMETER_SETS for each in fields.get(name, "").split(",") if each]
    try:
        return b"".join(START + base64.b64decode(each + "=" * (-len(each) % 4)) for each in sets)
    except binascii.Error:
        return b""  # they come within the stream as well
