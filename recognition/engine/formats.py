"""Which kind of file it is, by its first bytes: photos that can be read, and the others that people take for photos."""

import struct

from recognition.engine.texts import gettext_noop

HEAD = 64  # bytes; so many are enough for both functions below

HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
AVIF_BRANDS = {b"avif", b"avis"}
TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
RAWS = (b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FUJIFILMCCD-RAW")
# Formats with a signature: their name, and how their files begin.
SIGNED = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "BMP": (b"BM",),
    "ICO": (b"\0\0\1\0",),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    "PPM": (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"PF"),
    "TIFF": TIFFS,
    "RAW": RAWS,
}
FOREIGN = {
    gettext_noop("a JPEG XL picture"): (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
    gettext_noop("a camera's raw file (CRW, X3F or MRW)"): (b"II\x1a\0\0\0HEAPCCDR", b"FOVb", b"\0MRM"),
    gettext_noop("a Photoshop file"): (b"8BPS",),
    gettext_noop("a PDF document"): (b"%PDF",),
    gettext_noop("a ZIP archive"): (b"PK\x03\x04",),
    gettext_noop("a video"): (b"\x1aE\xdf\xa3", b"\0\0\1\xba", b"\0\0\1\xb3", b"OggS"),
    gettext_noop("a drawing (SVG)"): (b"<svg", b"<?xml"),
    gettext_noop("a web page"): (b"<!doctype html", b"<!DOCTYPE html", b"<html", b"<HTML"),
}


def sniff(head: bytes) -> str | None:
    """The name of the photo format that a file begins like; None if it is no photo that can be read.

    head: the file's first HEAD bytes, or more. Whether the rest is in order shows only when the file is opened.
    """
    for name, beginnings in SIGNED.items():
        if head.startswith(beginnings) and (name != "PPM" or head[2:3] in b" \t\r\n#"):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    if _is_dib(head):
        return "DIB"
    return "TGA" if _is_tga(head) else None


def foreign(head: bytes) -> str | None:
    """What a file that `sniff` does not know is, in words that fit “The file is …”; None if that is not known either."""
    if head[4:8] == b"ftyp":
        return gettext_noop("a Canon raw file (CR3)") if head[8:12] == b"crx " else "a video"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "a video"
    return next((words for words, beginnings in FOREIGN.items() if head.lstrip().startswith(beginnings)), None)


def _of_brands(head: bytes) -> str | None:
    """HEIC or AVIF, by the brands in the first box of an ISO file; the general brands mif1 and msf1 say neither."""
    size = max(min(int.from_bytes(head[:4], "big"), len(head)), 12)
    brands = [head[at : at + 4] for at in (8, *range(16, size - 3, 4))]
    if brands[0] in AVIF_BRANDS | HEIC_BRANDS:
        return "AVIF" if brands[0] in AVIF_BRANDS else "HEIC"
    if AVIF_BRANDS.intersection(brands):
        return "AVIF"
    general = brands[0] in (b"mif1", b"msf1", b"mif2", b"miaf")
    return "HEIC" if general or HEIC_BRANDS.intersection(brands) else None


def _is_dib(head: bytes) -> bool:
    """A BMP without its file header."""
    return len(head) >= 40 and struct.unpack("<I", head[:4])[0] in (40, 108, 124) and head[12:14] == b"\1\0"


def _is_tga(head: bytes) -> bool:
    """TGA has no signature, so every field of its header has to make sense."""
    if len(head) < 18:
        return False
    _, map_type, kind, _, length, entry, _, _, width, height, depth, flags = struct.unpack("<BBBHHBHHHHBB", head[:18])
    if not (width and height) or flags & 0xC0:
        return False
    if map_type == 1:
        return kind in (1, 9) and depth == 8 and 0 < length <= 256 and entry in (15, 16, 24, 32)
    greys, colours = kind in (3, 11) and depth in (8, 16), kind in (2, 10) and depth in (15, 16, 24, 32)
    return map_type == 0 and not (length or entry) and (greys or colours)
