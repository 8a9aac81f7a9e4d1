"""What the database's errors, and a full disk, mean for whoever asked: they did nothing wrong, and may ask again."""

import errno
import time

from django.db import InterfaceError, OperationalError

from faceplatform.errors import Unavailable

# A limit on waiting (faceplatform/database/limits.py), a deadlock, a conflict between transactions, or no connection left.
BUSY_STATES = {"57014", "55P03", "25P03", "40P01", "40001", "53300"}
DISK_FULL_STATE = "53100"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
REMEMBERED = 30.0  # seconds; in which a full disk that somebody met counts for /health/ready

DATABASE_DOWN = "The database cannot be reached. Try again in a moment; tell your operator if it lasts."
DATABASE_BUSY = (
    "The database is busy with something else and did not answer in time. Nothing was changed. Try again in a moment; "
    "tell your operator if it lasts."
)
DISK_FULL = "The server's disk is full, so nothing can be stored. Nothing was changed. Tell your operator to make room."

_disk_full_at = float("-inf")


def unavailable(error: BaseException | None) -> Unavailable | None:
    """What is answered with 503 instead of `error`; None where that is of another kind."""
    global _disk_full_at
    state = getattr(error, "sqlstate", None) or getattr(getattr(error, "__cause__", None), "sqlstate", None)
    if state == DISK_FULL_STATE or (isinstance(error, OSError) and error.errno in NO_ROOM):
        _disk_full_at = time.monotonic()
        return Unavailable(DISK_FULL, code="disk_full", retry_after=60)
    if state in BUSY_STATES:
        return Unavailable(DATABASE_BUSY, code="database_busy", retry_after=2)
    if isinstance(error, OperationalError | InterfaceError):
        return Unavailable(DATABASE_DOWN, code="database_unavailable", retry_after=5)
    return None


def disk_full_lately() -> bool:
    """Whether a request met a full disk in this process a moment ago."""
    return time.monotonic() - _disk_full_at < REMEMBERED
