"""The file of a backup: a tar that can be written and read as a stream.

    manifest.json      what is in it; see recognition/backups/manifest.py
    database/000001 …  the output of pg_dump --format=custom, in parts, because tar wants the size of what follows
    end.json           the size and the SHA-256 of the parts together, and the SHA-256 of the manifest

`tar -xOf FILE 'database/*' > database.dump` gives what pg_restore reads.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from typing import IO, Any

from faceplatform.errors import InvalidInput

PART = 4 * 2**20  # bytes
FORMAT = 1
MANIFEST, END, PARTS = "manifest.json", "end.json", "database/"
LONGEST_MANIFEST = 16 * 2**20  # bytes
NO_BACKUP = "This is no backup of this platform."
CUT_OFF = "The backup is cut off: its end is missing. Take another one."
DAMAGED = "The backup is damaged: its content is not what was written. Take another one."
NEWER_FORMAT = "This backup was made by a newer version of the platform. Upgrade the platform first."


class BackupFileError(InvalidInput):
    code = "backup_unusable"


def write_backup(out: IO[bytes], *, manifest: dict[str, Any], dump: Iterable[bytes]) -> int:
    """Writes a backup to `out`, which needs no `seek`. dump: the output of pg_dump. Returns how many bytes that had."""
    described = json.dumps({"format": FORMAT, **manifest}, indent=1).encode()
    digest, size = hashlib.sha256(), 0
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, MANIFEST, described)
        for number, part in enumerate(_parts(dump), start=1):
            _add(tar, f"{PARTS}{number:06}", part)
            digest.update(part)
            size += len(part)
        end = {"bytes": size, "sha256": digest.hexdigest(), "manifest_sha256": hashlib.sha256(described).hexdigest()}
        _add(tar, END, json.dumps(end).encode())
    return size


class BackupReader:
    """A backup that is read from its beginning to its end. manifest: its dictionary. Raises BackupFileError throughout."""

    def __init__(self, file: IO[bytes]) -> None:
        try:
            self._tar = tarfile.open(fileobj=file, mode="r|")  # noqa: SIM115 - its caller closes the file
        except tarfile.TarError as error:
            raise BackupFileError(NO_BACKUP) from error
        name, described = self._next()
        if name != MANIFEST:
            raise BackupFileError(NO_BACKUP)
        self._manifest_sha256 = hashlib.sha256(described).hexdigest()
        self.manifest = _dictionary(described)
        if not isinstance(self.manifest.get("format"), int):
            raise BackupFileError(NO_BACKUP)
        if self.manifest["format"] > FORMAT:
            raise BackupFileError(NEWER_FORMAT)

    def dump(self) -> Iterator[bytes]:
        """The output of pg_dump in parts. The last one has come only if nothing was raised: then all of it is as it was."""
        digest, size, number = hashlib.sha256(), 0, 1
        name, part = self._next()
        while name == f"{PARTS}{number:06}":
            digest.update(part)
            size += len(part)
            yield part
            number += 1
            name, part = self._next()
        if name != END:
            raise BackupFileError(DAMAGED)
        found = {"bytes": size, "sha256": digest.hexdigest(), "manifest_sha256": self._manifest_sha256}
        if _dictionary(part) != found:
            raise BackupFileError(DAMAGED)

    def _next(self) -> tuple[str, bytes]:
        try:
            member = self._tar.next()
            if member is None:
                raise BackupFileError(CUT_OFF)
            if not member.isfile() or member.size > LONGEST_MANIFEST:
                raise BackupFileError(DAMAGED)
            file = self._tar.extractfile(member)
            content = file.read() if file else b""
        except (tarfile.TarError, EOFError) as error:
            raise BackupFileError(CUT_OFF) from error
        if len(content) != member.size:
            raise BackupFileError(CUT_OFF)
        return member.name, content


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


def _parts(dump: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in parts of PART; only the last one is smaller."""
    waiting = bytearray()
    for block in dump:
        waiting += block
        while len(waiting) >= PART:
            yield bytes(waiting[:PART])
            del waiting[:PART]
    if waiting:
        yield bytes(waiting)


def _dictionary(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BackupFileError(DAMAGED) from error
    if not isinstance(found, dict):
        raise BackupFileError(DAMAGED)
    return found
