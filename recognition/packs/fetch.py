"""Downloads a published file: shows progress, resumes where an earlier try ended, and checks the sha256 at the end."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPResponse
from pathlib import Path

from recognition.engine.manifest import PackError, sha256_of

CHUNK = 1 << 18
MAX_BYTES = 4 << 30
TRIES = 4
TIMEOUT = 30  # seconds without a byte
REPORT_EVERY = 0.1  # of the file


def fetch(url: str, folder: Path, sha256: str, say: Callable[[str], None], *, pause: float = 1.0) -> Path:
    """Downloads `url` into `folder`, named by its sha256. Raises PackError; what has arrived is kept for the next try.

    say: prints a line of progress. pause: seconds before the second try, doubled before each further one.
    """
    if not url.startswith(("https://", "http://")):
        raise PackError(f"{url} is not a web address. Use one that begins with https:// or http://.")
    folder.mkdir(parents=True, exist_ok=True)
    complete, part = folder / sha256, folder / f"{sha256}.part"
    if complete.exists():
        return complete
    for attempt in range(TRIES):
        try:
            _resume(url, part, say)
            break
        except (urllib.error.URLError, OSError, EOFError) as error:
            if attempt == TRIES - 1 or (isinstance(error, urllib.error.HTTPError) and error.code < 500):
                raise PackError(
                    f"{url} cannot be fetched: {error}. Try again: it resumes where it stopped. Or fetch it elsewhere and "
                    "run: manage.py packs install NAME --from FILE"
                ) from error
            time.sleep(pause * 2**attempt)
    if sha256_of(part) != sha256:
        part.unlink()
        raise PackError(f"{url} is not the published file: its sha256 differs. It was deleted.")
    part.rename(complete)
    return complete


def _resume(url: str, part: Path, say: Callable[[str], None]) -> None:
    """Appends to `part` what is still missing. Raises EOFError if the connection ends too early."""
    size = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={size}-"} if size else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is missing, or the file has changed: the sha256 will tell
            return
        raise
    with response:
        if response.status != 206:  # the server cannot resume and sends the whole file
            size = 0
        total = size + int(response.headers.get("Content-Length") or 0)
        if total > MAX_BYTES:
            raise PackError(f"{url} has {total >> 20} MiB; no face model is that large.")
        _append(response, part, size, total, say)


def _append(response: HTTPResponse, part: Path, size: int, total: int, say: Callable[[str], None]) -> None:
    reported = size
    with part.open("ab" if size else "wb") as out:
        while chunk := response.read(CHUNK):
            out.write(chunk)
            size += len(chunk)
            if total and size - reported >= REPORT_EVERY * total:
                say(f"  {size / 2**20:.1f} of {total / 2**20:.1f} MiB ({size / total:.0%})")
                reported = size
    if size < total:
        raise EOFError(f"the connection ended after {size:,} of {total:,} bytes")
