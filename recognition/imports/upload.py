"""An uploaded ZIP in the database, in pieces, read like a file: so any machine can do the import, in little memory."""

import io
from collections import OrderedDict
from typing import BinaryIO

from recognition.imports.models import Import, ImportPiece

PIECE = 1024 * 1024  # bytes
KEPT = 8  # pieces in memory


def store_upload(job: Import, file: BinaryIO) -> int:
    """Writes the file's pieces. Gives its size."""
    size = number = 0
    while data := file.read(PIECE):
        ImportPiece.objects.create(job=job, number=number, data=data)
        number += 1
        size += len(data)
    return size


class StoredUpload(io.RawIOBase):
    """The upload of an import, to be read anywhere."""

    def __init__(self, job: Import):
        self._job = job
        self._at = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._job.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer) -> int:
        number, offset = divmod(self._at, PIECE)
        data = self._piece(number)[offset : offset + len(buffer)] if self._at < self._job.size else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _piece(self, number: int) -> bytes:
        if number not in self._kept:
            rows = ImportPiece.objects.filter(job=self._job, number=number)
            self._kept[number] = bytes(rows.values_list("data", flat=True).get())
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number]
