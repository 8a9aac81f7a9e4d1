"""How a command ends that met what its user can put right: with one sentence and status 1, not with a traceback.

`--traceback`, which every command has, shows where it happened all the same.
"""

import io
import os
import signal
import sys

import psycopg
from django.core.management import execute_from_command_line

from faceplatform.errors import DomainError

SECONDS = 3  # for a look at why no connection comes


def run(argv: list[str]) -> None:
    for stream in (sys.stdout, sys.stderr):  # file names may have bytes that are no text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        execute_from_command_line(argv)
    except BrokenPipeError:  # what reads our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None or "--traceback" in argv:
            raise
        sys.exit(sentence)


def _sentence(error: BaseException) -> str | None:
    """What to tell of `error`; None if it is nothing that the user of a command can put right."""
    from faceplatform.database.postgres import PostgresError
    from faceplatform.database.trouble import DOWN, REFUSED, cause_of, trouble_of

    if isinstance(error, DomainError):
        return error.message
    found = next((one for one in _chain(error) if trouble_of(one)), None)
    trouble = trouble_of(found)
    if found is not None and trouble is not None:
        if embedded := next((one for one in _chain(found) if isinstance(one, PostgresError)), None):
            return f"{trouble.sentence}\n({embedded})"
        reason = _why_no_connection() if trouble in (DOWN, REFUSED) else None
        return f"{trouble.sentence}\n({reason or cause_of(found)})"
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return f"{_shown(error.object)}: this is not UTF-8, so it cannot be stored. Rename the file, or type the argument anew."
    if isinstance(error, OSError) and error.filename is not None:
        return (
            f"{_shown(error.filename)}: {error.strerror}. See that it is there and that you may use it, then try again."
        )
    return None


def _why_no_connection() -> str | None:
    """In libpq's own words, which name host, port and user, never the password. None if a connection comes after all."""
    from faceplatform.database.listen import connection_parameters

    try:
        psycopg.connect(**connection_parameters() | {"connect_timeout": SECONDS}).close()
    except (psycopg.Error, OSError) as error:
        return (str(error).strip().splitlines() or [type(error).__name__])[0].strip()
    return None


def _chain(error: BaseException | None) -> list[BaseException]:
    """The error, and those that it was raised from."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _shown(name: str | bytes | int) -> str:
    return os.fsencode(name).decode(errors="replace") if isinstance(name, str | bytes) else str(name)
