"""Counts in this process's memory, which `flush` adds to the table: one statement every few seconds, whatever is counted."""

import json
import threading
from bisect import bisect_left
from dataclasses import dataclass, field

from django.db import ProgrammingError, connection

# Seconds. They are part of what is stored: with other bounds, give the histogram another name.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
MOST = 300  # names with labels; further labels count as OTHER, so that no client can make the table grow
OTHER = "other"
# In an order of its own, so that processes which do this at once do not wait for each other in a circle.
ADD = """
INSERT INTO tallies_tally AS tally (name, label, count, total, buckets)
SELECT name, label, count, total, buckets
FROM jsonb_to_recordset(%s) AS new (name text, label text, count bigint, total float8, buckets bigint[])
ORDER BY name, label
ON CONFLICT (name, label) DO UPDATE SET
    count = tally.count + excluded.count, total = tally.total + excluded.total,
    buckets = coalesce((
        SELECT array_agg(coalesce(was, 0) + coalesce(more, 0) ORDER BY place)
        FROM unnest(tally.buckets, excluded.buckets) WITH ORDINALITY AS pair (was, more, place)
    ), '{}')
"""


@dataclass(slots=True)
class _Count:
    count: int = 0
    total: float = 0.0
    buckets: list[int] = field(default_factory=list)


_lock = threading.Lock()
_counts: dict[tuple[str, str], _Count] = {}


def count(name: str, label: str = "", number: int = 1) -> None:
    """Adds to a counter."""
    with _lock:
        _find(name, label).count += number


def observe(name: str, label: str, seconds: float) -> None:
    """Adds a measurement to a histogram."""
    with _lock:
        found = _find(name, label)
        found.buckets = found.buckets or [0] * (len(BOUNDS) + 1)
        found.count += 1
        found.total += seconds
        found.buckets[bisect_left(BOUNDS, seconds)] += 1


def flush() -> None:
    """Adds what was counted to the table. What cannot be written is kept for the next time. Raises the database's error."""
    with _lock:
        taken = dict(_counts)
        _counts.clear()
    if not taken:
        return
    rows = [
        {"name": name, "label": label, "count": found.count, "total": found.total, "buckets": found.buckets}
        for (name, label), found in taken.items()
    ]
    try:
        with connection.cursor() as cursor:
            cursor.execute(ADD, [json.dumps(rows)])
    except ProgrammingError:  # the table is not there yet: a worker must not end for that
        _put_back(taken)
    except BaseException:
        _put_back(taken)
        raise


def _find(name: str, label: str) -> _Count:
    key = (name, label[:60])
    if key not in _counts and len(_counts) >= MOST:
        key = (name, OTHER)
    return _counts.setdefault(key, _Count())


def _put_back(taken: dict[tuple[str, str], _Count]) -> None:
    with _lock:
        for (name, label), lost in taken.items():
            found = _find(name, label)
            found.count += lost.count
            found.total += lost.total
            both = zip(found.buckets or [0] * len(lost.buckets), lost.buckets, strict=True)
            found.buckets = [now + then for now, then in both] if lost.buckets else found.buckets
