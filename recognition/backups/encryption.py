"""Backups encrypted for an age key (age-encryption.org/v1, by pyrage): the platform has the public part alone."""

import io
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyrage

from faceplatform.database.backup_file import CUT_OFF, BackupFileError
from faceplatform.errors import InvalidInput

MAGIC = b"age-encryption.org/"
NEEDS_IDENTITY = "The backup is encrypted. Give the file with the key that opens it: --identity FILE"
NO_IDENTITY = "{path} holds no age key: a line that begins with AGE-SECRET-KEY-1."
WRONG_IDENTITY = "The key does not open this backup: it was encrypted for another one, or the file is damaged."


def parse_recipients(text: str) -> list[Any]:
    """Public keys such as age1…, with commas. Raises ValueError."""
    recipients = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        try:
            recipients.append(pyrage.x25519.Recipient.from_str(part))
        except pyrage.RecipientError as error:
            raise ValueError(f"{part} is no public key of age, such as age1…") from error
    return recipients


@contextmanager
def encrypted(out: IO[bytes], recipients: Sequence[Any]) -> Iterator[IO[bytes]]:
    """A file whose content arrives in `out` encrypted for `recipients`; `out` itself if there are none."""
    if not recipients:
        yield out
        return
    with _piped(lambda source: pyrage.encrypt_io(source, out, list(recipients))) as pipe:
        yield pipe


@contextmanager
def decrypted(file: IO[bytes], identity: Path | None) -> Iterator[IO[bytes]]:
    """A file with the content of `file`, which is decrypted if it has to be. identity: holds the secret key.

    Raises BackupFileError, also at the end of the block if the content was not whole.
    """
    start = file.read(len(MAGIC))
    whole = _Rejoined(start, file)
    if start != MAGIC:
        yield io.BufferedReader(whole, 2**18)
        return
    if identity is None:
        raise BackupFileError(NEEDS_IDENTITY)
    keys = _identities(identity)
    readable, writable = os.pipe()
    failed: list[BaseException] = []

    def decrypt() -> None:
        try:
            with os.fdopen(writable, "wb") as sink:
                pyrage.decrypt_io(io.BufferedReader(whole, 2**18), sink, keys)
        except (pyrage.DecryptError, OSError) as error:
            failed.append(error)

    thread = threading.Thread(target=decrypt, name="decrypt", daemon=True)
    thread.start()
    with os.fdopen(readable, "rb") as plain:
        try:
            yield plain
        except BackupFileError as error:
            plain.close()
            thread.join()
            if any(isinstance(one, pyrage.DecryptError) for one in failed):
                raise BackupFileError(WRONG_IDENTITY if str(error) != CUT_OFF else CUT_OFF) from error
            raise
    thread.join()


@contextmanager
def _piped(work: Callable[[IO[bytes]], object]) -> Iterator[IO[bytes]]:
    """A pipe that `work` reads in a thread; what goes wrong there is raised at the end of the block."""
    readable, writable = os.pipe()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with os.fdopen(readable, "rb") as source:
                work(source)
        except Exception as error:  # noqa: BLE001 - it is raised again below
            failed.append(error)

    thread = threading.Thread(target=run, name="encrypt", daemon=True)
    thread.start()
    try:
        with os.fdopen(writable, "wb") as sink:
            yield sink
    except BrokenPipeError:
        if not failed:
            raise
    finally:
        thread.join()
    if failed:
        raise failed[0]


class _Rejoined(io.RawIOBase):
    """What was read of a stream, and the rest of it."""

    def __init__(self, start: bytes, rest: IO[bytes]) -> None:
        self._start, self._rest = start, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = getattr(self._rest, "read1", self._rest.read)  # what a pipe has now, not when it has all
        content = self._start[: len(buffer)] or read(len(buffer))
        self._start = self._start[len(buffer) :]
        buffer[: len(content)] = content
        return len(content)


def _identities(path: Path) -> list[Any]:
    lines = [line.strip() for line in path.read_text().splitlines()]
    try:
        keys = [pyrage.x25519.Identity.from_str(line) for line in lines if line.startswith("AGE-SECRET-KEY-")]
    except pyrage.IdentityError as error:
        raise InvalidInput(NO_IDENTITY.format(path=path)) from error
    if not keys:
        raise InvalidInput(NO_IDENTITY.format(path=path))
    return keys
