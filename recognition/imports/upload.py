"""An uploaded ZIP stored in the database in pieces and read back like a file.

So any machine can run the import, and neither storing nor reading needs the whole file in memory.
"""

import io
from collections import OrderedDict
from typing import TYPE_CHECKING, BinaryIO

from recognition.imports.models import Import, ImportPiece

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE_BYTES = 1024 * 1024
MAX_CACHED = 8  # pieces in memory


def store_upload(job: Import, file: BinaryIO) -> int:
    """Stores the file in pieces. Returns its size in bytes."""
    size = number = 0
    while data := file.read(PIECE_BYTES):
        ImportPiece.objects.create(job=job, number=number, data=data)
        number += 1
        size += len(data)
    return size


class StoredUpload(io.RawIOBase):
    """The stored upload of an import as a seekable binary file."""

    def __init__(self, job: Import) -> None:
        self._job = job
        self._position = 0
        self._cache: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._job.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        target = memoryview(buffer)
        number, offset = divmod(self._position, PIECE_BYTES)
        data = self._piece(number)[offset : offset + len(target)] if self._position < self._job.size else b""
        target[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _piece(self, number: int) -> bytes:
        if number not in self._cache:
            rows = ImportPiece.objects.filter(job=self._job, number=number)
            self._cache[number] = bytes(rows.values_list("data", flat=True).get())
            if len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)
        self._cache.move_to_end(number)
        return self._cache[number]
