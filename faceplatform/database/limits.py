"""How long a web process lets one statement run or wait. Workers, jobs and commands have no such limits: building an index
or a migration may take hours, and nobody waits for them with one of few places."""

from django.conf import settings
from django.db import connection

IDLE_SECONDS = 60  # in a transaction in which nothing is asked, as of a thread that hangs


def limit_waiting() -> None:
    """For this process, before its first connection. What DATABASE_URL says of its own in `options` comes after."""
    limits = {
        "statement_timeout": settings.STATEMENT_SECONDS,
        "lock_timeout": settings.LOCK_SECONDS,
        "idle_in_transaction_session_timeout": IDLE_SECONDS,
    }
    options = settings.DATABASES["default"]["OPTIONS"]
    ours = " ".join(f"-c {name}={seconds}s" for name, seconds in limits.items())
    options["options"] = f"{ours} {options.get('options', '')}".strip()


def unhurried() -> None:
    """The rest of this transaction may take as long as it takes, waits for others' locks excepted."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
