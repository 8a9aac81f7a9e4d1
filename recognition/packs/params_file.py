"""Reads MXNet's .params files without MXNet, whose own reader trusts the file; this one checks every length first.

The format (MXNet 1.x, src/ndarray/ndarray.cc, NDArray::Load): uint64 0x112, uint64 0, uint64 count, each array, uint64 count
again, and each name as uint64 length and bytes. An array is: uint32 magic V2, then int32 storage type (0 = dense), or uint32
magic V1, or nothing in the oldest files; uint32 number of dimensions, and each as int64 (oldest: uint32); int32 device type
and id; int32 element type; the elements.
"""

import math
import struct
from pathlib import Path

import numpy as np

from recognition.engine.manifest import PackError

HEADER = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
TYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8"}
MAX_DIMENSIONS = 8


def read_params(path: Path) -> dict[str, np.ndarray]:
    """Reads arrays as float32, by their names without the prefixes arg: and aux:. Raises PackError."""
    data = path.read_bytes()
    if data[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise PackError(
            f"{path.name} is a Python pickle, not an MXNet params file. Pickles can run code, so it was not opened."
        )
    try:
        return _Reader(data).read_all()
    except (struct.error, ValueError, KeyError, UnicodeDecodeError) as error:
        raise PackError(f"{path.name} is not a complete params file ({error}). Fetch it again.") from error


class _Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def read_all(self) -> dict[str, np.ndarray]:
        header, reserved, count = self.unpack("<QQQ")
        if header != HEADER or reserved:
            raise ValueError("wrong header")
        self.check_left(count)  # an array has more bytes than one
        arrays = [self.array() for _ in range(count)]
        (names,) = self.unpack("<Q")
        if names != count:
            raise ValueError(f"{count} arrays and {names} names")
        return {self.name(): array for array in arrays}

    def array(self) -> np.ndarray:
        (magic,) = self.unpack("<I")
        if magic in (V2, V3):
            (storage,) = self.unpack("<i")
            if storage != 0:
                raise ValueError("sparse arrays are not supported")
        shape = self.shape(magic)
        self.unpack("<ii")  # the device it was saved from
        (kind,) = self.unpack("<i")
        if kind not in TYPES:
            raise ValueError(f"unknown element type {kind}")
        element = np.dtype(TYPES[kind])
        values = self.raw(math.prod(shape) * element.itemsize)
        return np.frombuffer(values, element).reshape(shape).astype("float32")

    def shape(self, magic: int) -> tuple[int, ...]:
        if magic in (V1, V2, V3):
            (dimensions,) = self.unpack("<I")
            kind = "q"
        else:
            dimensions, kind = magic, "I"
        if dimensions > MAX_DIMENSIONS:
            raise ValueError(f"an array of {dimensions} dimensions")
        shape = self.unpack(f"<{dimensions}{kind}")
        if any(side < 0 for side in shape):
            raise ValueError(f"an array of shape {shape}")
        return shape

    def name(self) -> str:
        (length,) = self.unpack("<Q")
        return bytes(self.raw(length)).decode().partition(":")[2]

    def unpack(self, form: str) -> tuple[int, ...]:
        return struct.unpack(form, self.raw(struct.calcsize(form)))

    def raw(self, length: int) -> memoryview:
        self.check_left(length)
        part = memoryview(self.data)[self.at : self.at + length]
        self.at += length
        return part

    def check_left(self, length: int) -> None:
        """Raises ValueError if fewer than `length` bytes are left."""
        if length > len(self.data) - self.at:
            raise ValueError("it ends too early")
