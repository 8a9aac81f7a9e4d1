"""Downloads a published file: with progress, resuming where an earlier try ended, its sha256 checked at the end."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from recognition.engine.manifest import PackError, sha256_of

CHUNK = 1 << 18
MOST_BYTES = 4 << 30
TRIES = 4
TIMEOUT = 30  # seconds without a byte
TOLD_EVERY = 0.1  # of the file


def fetch(url: str, folder: Path, sha256: str, say: Callable[[str], None], *, pause: float = 1.0) -> Path:
    """The file at `url`, in `folder` under its sha256. Raises PackError; what has come so far stays for the next try."""
    if not url.startswith(("https://", "http://")):
        raise PackError(f"{url} is no address to download from.")
    folder.mkdir(parents=True, exist_ok=True)
    done, part = folder / sha256, folder / f"{sha256}.part"
    if done.exists():
        return done
    for attempt in range(TRIES):
        try:
            _resume(url, part, say)
            break
        except (urllib.error.URLError, OSError, EOFError) as error:
            if attempt == TRIES - 1 or (isinstance(error, urllib.error.HTTPError) and error.code < 500):
                raise PackError(
                    f"{url} cannot be fetched: {error}. Try again: it goes on where it stopped. Or fetch it elsewhere and "
                    "run: manage.py packs install NAME --from FILE"
                ) from error
            time.sleep(pause * 2**attempt)
    if sha256_of(part) != sha256:
        part.unlink()
        raise PackError(f"{url} is not the published file: its sha256 differs. Nothing of it was kept.")
    part.rename(done)
    return done


def _resume(url: str, part: Path, say: Callable[[str], None]) -> None:
    """Appends to `part` what is still missing of it. Raises EOFError where the connection ends too early."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is missing, or another file is there now: the sha256 tells
            return
        raise
    with answer:
        if answer.status != 206:  # the server sends all of it again
            have = 0
        total = have + int(answer.headers.get("Content-Length") or 0)
        if total > MOST_BYTES:
            raise PackError(f"{url} has {total >> 20} MiB; no face model does.")
        _copy(answer, part, have, total, say)


def _copy(answer, part: Path, have: int, total: int, say: Callable[[str], None]) -> None:
    told = have
    with part.open("ab" if have else "wb") as out:
        while chunk := answer.read(CHUNK):
            out.write(chunk)
            have += len(chunk)
            if total and have - told >= TOLD_EVERY * total:
                say(f"  {have / 2**20:.1f} of {total / 2**20:.1f} MiB ({have / total:.0%})")
                told = have
    if have < total:
        raise EOFError(f"the connection ended after {have:,} of {total:,} bytes")
