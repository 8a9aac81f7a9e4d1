"""What the database's errors, and a full disk, mean for whoever asked: they did nothing wrong, and may ask again.

Each class of error has a name and a sentence of its own; its cause is for the log.
"""

import errno
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from django.conf import settings
from django.db import Error, InterfaceError, OperationalError

from faceplatform.database.postgres import PostgresError
from faceplatform.errors import Unavailable

logger = logging.getLogger(__name__)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
LEAST_ROOM = 2**20  # bytes; a database that cannot be reached while its disk has less was ended by that
REMEMBERED = 30.0  # seconds; in which a full disk that somebody met counts for /health/ready
LOGGED_EVERY = 10.0  # seconds, of one kind

DATABASE_DOWN = "The database cannot be reached. Try again in a moment; tell your operator if it lasts."
DATABASE_BUSY = (
    "The database is busy with something else and did not answer in time. Nothing was changed. Try again in a moment; "
    "tell your operator if it lasts."
)
DISK_FULL = "The server's disk is full, so nothing can be stored. Nothing was changed. Tell your operator to make room."


@dataclass(frozen=True, slots=True)
class Trouble:
    """A class of errors. code: as in the API's answers. sentence: for whoever asked. retry_after: in seconds."""

    code: str
    sentence: str
    retry_after: int


DOWN = Trouble("database_unavailable", DATABASE_DOWN, 5)
BUSY = Trouble("database_busy", DATABASE_BUSY, 2)
FULL = Trouble("disk_full", DISK_FULL, 60)
REFUSED = Trouble(
    "database_refused",
    "The database does not let the platform in, or not do what it has to. Tell your operator: the user, the password, the "
    "name or the rights in DATABASE_URL are wrong.",
    60,
)
OUTDATED = Trouble(
    "database_outdated",
    "The database does not fit this version of the platform. Tell your operator to run: manage.py migrate",
    60,
)
READ_ONLY = Trouble(
    "database_read_only",
    "The database can only be read at the moment. Nothing was changed. Tell your operator: DATABASE_URL may lead to a standby.",
    60,
)
FAILED = Trouble(
    "database_failed",
    "The database has met a fault of its own. Nothing was changed. Tell your operator: its memory, its files or its disk "
    "have to be looked at.",
    60,
)
CODES = tuple(kind.code for kind in (DOWN, BUSY, FULL, REFUSED, OUTDATED, READ_ONLY, FAILED))
# By SQLSTATE, or by its class, the first two characters.
KINDS = {
    "53100": FULL,
    "53300": BUSY,  # no connection left
    **dict.fromkeys(("57014", "55P03", "25P03", "40"), BUSY),  # limits on waiting, see limits.py; deadlocks, conflicts
    **dict.fromkeys(("08", "57"), DOWN),  # lost, or just starting or stopping
    **dict.fromkeys(("28", "3D000", "42501"), REFUSED),
    **dict.fromkeys(("42P01", "42703"), OUTDATED),
    "25006": READ_ONLY,
    **dict.fromkeys(("53", "58", "XX001", "XX002", "F0"), FAILED),
}
# libpq gives no SQLSTATE for what ends an attempt to connect, only the server's words, in English unless it is told otherwise.
WORDS = {
    "too many clients": BUSY,
    "remaining connection slots": BUSY,
    "No space left on device": FULL,
    "authentication failed": REFUSED,
    "no password supplied": REFUSED,
    "no pg_hba.conf entry": REFUSED,
    "does not exist": REFUSED,
    "permission denied": REFUSED,
}

_disk_full_at = float("-inf")
_logged_at: dict[str, float] = {}  # by code


def trouble_of(error: BaseException | None) -> Trouble | None:
    """The class of `error`; None if it is of another kind. Nothing is logged."""
    if isinstance(error, OSError):
        return FULL if error.errno in NO_ROOM else None
    if not isinstance(error, Error | InterfaceError | psycopg.Error | PostgresError):
        return None
    if state := sqlstate_of(error):
        return KINDS.get(state) or KINDS.get(state[:2]) or _otherwise(error)
    return _otherwise(error)


def _otherwise(error: BaseException) -> Trouble | None:
    if not isinstance(error, OperationalError | InterfaceError | psycopg.OperationalError | PostgresError):
        return None
    found = next((kind for words, kind in WORDS.items() if words in str(error)), DOWN)
    return FULL if found is DOWN and _embedded_disk_is_full() else found


def unavailable(error: BaseException | None) -> Unavailable | None:
    """What is answered with 503 instead of `error`, whose cause is logged; None where that is of another kind."""
    global _disk_full_at
    if error is None or (trouble := trouble_of(error)) is None:
        return None
    if trouble is FULL:
        _disk_full_at = time.monotonic()
    _log(trouble, error)
    return Unavailable(trouble.sentence, code=trouble.code, retry_after=trouble.retry_after)


def described(error: BaseException) -> str:
    """For the log: the class of the error, and its cause."""
    trouble = trouble_of(error)
    return f"{trouble.code if trouble else 'error'}: {cause_of(error)}"


def cause_of(error: BaseException) -> str:
    """The error in its own words, without what PostgreSQL says of the values that it met, such as names."""
    state = sqlstate_of(error)
    first_line = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}{f' {state}' if state else ''}: {first_line}"


def sqlstate_of(error: BaseException) -> str | None:
    return next((state for one in _chain(error) if (state := getattr(one, "sqlstate", None))), None)


def disk_full_lately() -> bool:
    """Whether a request met a full disk in this process a moment ago."""
    return time.monotonic() - _disk_full_at < REMEMBERED


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _log(trouble: Trouble, error: BaseException) -> None:
    """One line a while: during an outage every request meets the same."""
    now = time.monotonic()
    if now - _logged_at.get(trouble.code, float("-inf")) >= LOGGED_EVERY:
        _logged_at[trouble.code] = now
        logger.error("%s: %s", trouble.code, cause_of(error))


def _embedded_disk_is_full() -> bool:
    if not settings.EMBEDDED_POSTGRES:
        return False
    try:
        disk = os.statvfs(settings.DATA_DIR)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < LEAST_ROOM
