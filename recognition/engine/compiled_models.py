"""Keeps compiled models in a folder of the data directory, so that they need not be compiled at every start.

Each file begins with the sha256 of what follows, and is put in place whole: one that is cut short or damaged counts as
not there. The folder is used only by the user it belongs to. A model that somebody else could have put there is never
loaded, and root writes nothing where another user could have put a link.
"""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

KEPT = 64  # files: two for each net of a pack, and two more for each precision
DIGEST = 32  # bytes of a sha256


class CompiledModels:
    """folder: made where it is not there, inside a folder that is. What cannot be read or written is left out."""

    def __init__(self, folder: Path):
        self.folder = folder

    def read(self, key: str) -> bytes | None:
        """What was kept under `key`, or None."""
        if not self._is_ours():
            return None
        try:
            path = self._path(key)
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        body = content[DIGEST:]
        return body if hashlib.sha256(body).digest() == content[:DIGEST] else None

    def write(self, key: str, body: bytes) -> None:
        """Keeps `body` under `key`, and drops what was not used for longest."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            if not self._is_ours():
                return
            descriptor, made = tempfile.mkstemp(dir=self.folder, suffix=".part")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(hashlib.sha256(body).digest() + body)
                Path(made).replace(self._path(key))
            except OSError:
                Path(made).unlink(missing_ok=True)
                raise
            self._drop_oldest()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.blob"

    def _is_ours(self) -> bool:
        """Whether the folder and the one it is in are this user's, and nobody else may write to it."""
        try:
            own, above = self.folder.lstat(), self.folder.parent.stat()
        except OSError:
            return False
        return own.st_uid == above.st_uid == os.geteuid() and not own.st_mode & 0o077

    def _drop_oldest(self) -> None:
        files = sorted(self.folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in files[:-KEPT]:
            path.unlink(missing_ok=True)
