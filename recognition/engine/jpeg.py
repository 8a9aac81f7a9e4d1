"""What a JPEG says of itself in its markers, read without decoding anything."""

from dataclasses import dataclass

from recognition.engine.base import PhotoError
from recognition.engine.texts import gettext_noop

START_OF_SCAN = b"\xff\xda"
MAX_SCANS = 100  # programs write up to 20
FEW_SCANS = 6  # of the photo, its thumbnail, its gain map and their previews: not counted by their pixels
MAX_SCANNED_PIXELS = 1_000_000_000  # scans times pixels: some seconds of decoding
WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
DECODABLE = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive; a raw file's own pixels are lossless (0xC3)
IN_ONE_PASS = (0xC0, 0xC1)


@dataclass(frozen=True, slots=True)
class Layout:
    """frame: the marker that says how it is coded. whole: whether its first scan has all components."""

    frame: int
    width: int
    height: int
    whole: bool

    @property
    def is_decodable(self) -> bool:
        return self.frame in DECODABLE

    @property
    def in_one_pass(self) -> bool:
        """Whether a decoder needs no more memory than for a few rows, so that a reduced photo costs little."""
        return self.frame in IN_ONE_PASS and self.whole


def layout(data: bytes | memoryview) -> Layout | None:
    """Reads the markers up to the first scan; None if there is none."""
    at, frame, width, height, components = 2, 0, 0, 0, 0
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker in WITHOUT_LENGTH or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = bytes(data[at + 4 : at + 2 + min(length, 16)])
        if marker == 0xDA:
            return Layout(frame, width, height, bool(body) and body[0] == components) if frame else None
        if marker in FRAMES and len(body) >= 6:
            frame, components = marker, body[5]
            height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
        at += 2 + max(length, 2)
    return None


def check_scans(data: bytes, pixels: int) -> None:
    """Raises PhotoError if a JPEG has so many scans, each over all pixels, that it would take minutes to decode.

    Counts markers in the bytes: a thumbnail's count too, but no scan can hide, as FF is escaped within one.
    """
    scans = data.count(START_OF_SCAN)
    if scans > MAX_SCANS or scans > max(FEW_SCANS, MAX_SCANNED_PIXELS // max(pixels, 1)):
        message = gettext_noop(
            "The JPEG is made of %(scans)s layers (scans), more than any camera or program writes for a photo of its size. "
            "Save it again, or send another photo."
        )
        raise PhotoError("invalid_image", message % {"scans": scans})
