"""How long the server lets a process wait, hold, or be away. They are set once a connection is open, because a pooler takes no
`options` of its clients.

Web processes have limits on statements and waits. Workers, jobs and commands have none: building an index or a migration may take
hours, and nobody waits for them with one of few places. What a worker holds in a transaction, it may not hold while it is
frozen or cut off; jobs may, for some compute in between.
"""

from typing import Any

from django.conf import settings
from django.db import connection

IDLE_SECONDS = 60  # in a transaction in which nothing is asked, as of a thread that hangs
LEAST_HOLD = 15  # seconds; a machine with too much to do may let a process wait for long between two statements
# So that the server notices in a minute that a machine is gone, and gives free what it has locked; otherwise in two hours.
_limits = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}


def limit_waiting() -> None:
    """For a web process, before its first connection."""
    _limits["statement_timeout"] = f"{settings.STATEMENT_SECONDS}s"
    _limits["lock_timeout"] = f"{settings.LOCK_SECONDS}s"
    _limits["idle_in_transaction_session_timeout"] = f"{IDLE_SECONDS}s"


def limit_holding() -> None:
    """For a worker, before its first connection: what it has locked is free when its leases are."""
    _limits["idle_in_transaction_session_timeout"] = f"{max(settings.LEASE_SECONDS, LEAST_HOLD)}s"


def computing() -> None:
    """In the rest of this transaction nothing may be asked for minutes, because something is computed for it."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '10min'")


def apply_limits(opened: Any, *, besides: str) -> None:
    """opened: a new connection of psycopg. besides: the `options` of DATABASE_URL; what they name is left as they say."""
    ours = {name: value for name, value in _limits.items() if name not in besides}
    with opened.cursor() as cursor:
        cursor.execute(
            "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS ours (name, value)",
            [list(ours), list(ours.values())],
        )


def unhurried() -> None:
    """The rest of this transaction may take as long as it takes, waits for others' locks excepted."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
