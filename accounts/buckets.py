"""Leaky buckets: they count calls and attempts in the database, for all web processes together.

A bucket holds so many at once, and leaks at a steady rate. Its subject is KIND:NAME; the kind says its limit.
"""

import json
import math

from faceplatform.database.planned import planned_cursor

# One statement counts in all buckets, always in the caller's order, so that two calls cannot deadlock.
COUNT = """
INSERT INTO accounts_requestbucket AS bucket (subject, level, allowed, at)
SELECT subject, 1, true, clock_timestamp() FROM unnest(%(subjects)s::text[]) subject
ON CONFLICT (subject) DO UPDATE SET (level, allowed, at) = (
    SELECT CASE WHEN leaked + 1 <= holds THEN leaked + 1 ELSE leaked END, leaked + 1 <= holds, clock_timestamp()
    FROM (
        SELECT holds, greatest(bucket.level - rate / 60 * greatest(extract(epoch FROM clock_timestamp() - bucket.at), 0), 0)
            AS leaked  -- the clock may have been set back
        FROM (
            SELECT (allowed ->> 0)::float AS rate, (allowed ->> 1)::float AS holds
            FROM (SELECT %(limits)s::jsonb -> split_part(bucket.subject, ':', 1) AS allowed) named
        ) known
    ) now
)
RETURNING subject, level, allowed
"""
GIVE_BACK = "UPDATE accounts_requestbucket SET level = greatest(level - 1, 0) WHERE subject = %(subject)s"

Limits = dict[str, tuple[float, float]]


def count(subjects: list[str], limits: Limits) -> int:
    """Counts once in each of the buckets. Returns 0 if all allow it, else the seconds to wait.

    limits: for each kind, how many leak a minute and how many it holds.
    """
    with planned_cursor() as cursor:
        cursor.execute(COUNT, {"subjects": subjects, "limits": json.dumps(limits)})
        refused = [(subject, level) for subject, level, allowed in cursor.fetchall() if not allowed]
    waits = []
    for subject, level in refused:
        rate, holds = limits[subject.partition(":")[0]]
        waits.append(math.ceil((level + 1 - holds) / rate * 60) or 1)
    return max(waits, default=0)


def give_back(subject: str) -> None:
    """Takes back one that was counted and turned out to be harmless."""
    with planned_cursor() as cursor:
        cursor.execute(GIVE_BACK, {"subject": subject})
