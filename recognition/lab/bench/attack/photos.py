"""Photos made to cost their reader as much as possible."""

import io
import struct
import zlib

from PIL import Image, PngImagePlugin


def scan_bomb(scans: int, side: int = 6300) -> bytes:
    """A grey progressive JPEG whose last scan is repeated."""
    out = io.BytesIO()
    Image.new("L", (side, side), 128).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    scan, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:end] + data[scan:end] * scans + data[end:]


def baseline_scan_bomb(scans: int, side: int = 64) -> bytes:
    """The same without a progressive header: a colour JPEG whose one scan is repeated."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(out, "JPEG")
    data = out.getvalue()
    scan, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:end] + data[scan:end] * scans + data[end:]


def png_with(kind: bytes, inflated: int) -> bytes:
    """A PNG with a compressed text (zTXt) or colour profile (iCCP) of so many bytes."""
    out = io.BytesIO()
    Image.new("RGB", (40, 40)).save(out, "PNG")
    data = out.getvalue()
    body = b"name\0\0" + zlib.compress(bytes(inflated), 9)
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:33] + chunk + data[33:]  # after the signature and IHDR


def animation(kind: str, frames: int, side: int = 64) -> bytes:
    """A GIF, WebP or PNG of many frames."""
    out = io.BytesIO()
    first, *others = (Image.new("RGB", (side, side), (n % 256, n // 256, 0)) for n in range(frames))
    first.save(out, kind, save_all=True, append_images=others, duration=10)
    return out.getvalue()


def tiff_of_pages(pages: int) -> bytes:
    """A TIFF with so many images in it."""
    out = io.BytesIO()
    first, *others = (Image.new("L", (8, 8), n % 256) for n in range(pages))
    first.save(out, "TIFF", save_all=True, append_images=others)
    return out.getvalue()


def tiff_in_a_circle() -> bytes:
    """A TIFF whose first directory names itself as the next one."""
    out = io.BytesIO()
    Image.new("L", (8, 8)).save(out, "TIFF")
    data = bytearray(out.getvalue())
    [start] = struct.unpack("<I", data[4:8])
    [entries] = struct.unpack("<H", data[start : start + 2])
    at = start + 2 + 12 * entries
    data[at : at + 4] = struct.pack("<I", start)
    return bytes(data)


def tiff_of_strips(height: int) -> bytes:
    """A compressed TIFF of one column, with a strip for each of its rows."""
    out = io.BytesIO()
    Image.new("L", (1, height)).save(out, "TIFF", compression="tiff_adobe_deflate", tiffinfo={278: 1})
    return out.getvalue()


def jpeg_with_deep_exif(depth: int) -> bytes:
    """A JPEG whose EXIF directories each point to a further one, the last to the first."""
    directory = 2 + 12 + 4
    tiff = b"II*\0" + struct.pack("<I", 8)
    for level in range(depth):
        following = 8 + directory * ((level + 1) % depth)
        tiff += struct.pack("<HHHII", 1, 0x8769, 4, 1, following) + struct.pack("<I", following)
    out = io.BytesIO()
    Image.new("RGB", (40, 40)).save(out, "JPEG", exif=b"Exif\0\0" + tiff)
    return out.getvalue()


def png_with_many_chunks(count: int) -> bytes:
    """A PNG with so many small texts."""
    info = PngImagePlugin.PngInfo()
    for number in range(count):
        info.add_text(f"k{number}", "v")
    out = io.BytesIO()
    Image.new("RGB", (40, 40)).save(out, "PNG", pnginfo=info)
    return out.getvalue()
