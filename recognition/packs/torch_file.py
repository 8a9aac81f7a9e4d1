"""Reads the weights that torch.save wrote, without torch: the zip of today, and the five pickles in a row of before 1.6.

An unpickler runs what a file tells it to run, so this one admits only the names that a dictionary of tensors needs. Tensors
must lie within the storages that the file really holds.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from recognition.engine.manifest import PackError

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # what a file of before 1.6 begins with
DTYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8", "IntStorage": "<i4"}


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: str
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """storages: those that the file has named so far."""

    def __init__(self, file: BinaryIO):
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no weights need: it may be an attack")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _device, count, *_view = pid
        if kind != "storage" or dtype not in DTYPES.values() or type(count) is not int or count < 0:
            raise pickle.UnpicklingError("it refers to something that is not a tensor's storage")
        return self.storages.setdefault(str(key), _Storage(str(key), dtype, count))


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """The tensors by name, float32; those of integers and without a dimension, such as counters, are left out.

    Raises PackError if the file is not of this kind, damaged, or asks for anything else.
    """
    try:
        with path.open("rb") as file:
            state, raw = _read_zip(file) if zipfile.is_zipfile(file) else _read_pickles(file)
        return {
            name: _array(tensor, raw)
            for name, tensor in state.items()
            if tensor.shape and tensor.storage.dtype in ("<f4", "<f8")
        }
    except (pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise PackError(f"{path.name} cannot be read: {error}.") from error
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, EOFError, OverflowError) as error:
        raise PackError(f"{path.name} is damaged, or does not hold the weights of a net.") from error


def _read_pickles(file: BinaryIO) -> tuple[dict[str, _Tensor], dict[str, bytes]]:
    file.seek(0)
    if (_Unpickler(file).load(), _Unpickler(file).load()) != (MAGIC, PROTOCOL):
        raise ValueError("not written by torch.save")
    _Unpickler(file).load()  # sizes of the types of the machine that wrote it
    unpickler = _Unpickler(file)
    state = unpickler.load()
    raw = {}
    for key in _Unpickler(file).load():
        storage = unpickler.storages[key]
        if int.from_bytes(file.read(8), "little") != storage.count:
            raise ValueError("a storage has another size than its tensors say")
        raw[key] = file.read(storage.count * np.dtype(storage.dtype).itemsize)
    return state, raw


def _read_zip(file: BinaryIO) -> tuple[dict[str, _Tensor], dict[str, bytes]]:
    with zipfile.ZipFile(file) as archive:
        [listing] = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("torch does not compress")  # and nothing can grow when it is read
        folder = listing.partition("/")[0]
        unpickler = _Unpickler(io.BytesIO(archive.read(listing)))
        state = unpickler.load()
        return state, {key: archive.read(f"{folder}/data/{key}") for key in unpickler.storages}


def _tensor(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_more: Any) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


def _array(tensor: _Tensor, raw: dict[str, bytes]) -> np.ndarray:
    values = np.frombuffer(raw[tensor.storage.key], tensor.storage.dtype)
    count = int(np.prod(tensor.shape))
    if tensor.strides != _row_major(tensor.shape):
        raise ValueError("a tensor is not stored by rows")
    if tensor.offset < 0 or min(tensor.shape) < 1 or tensor.offset + count > len(values):
        raise ValueError("a tensor goes beyond its storage")
    return values[tensor.offset : tensor.offset + count].reshape(tensor.shape).astype("float32")


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides = [1]
    for side in reversed(shape[1:]):
        strides.append(strides[-1] * side)
    return tuple(reversed(strides))
