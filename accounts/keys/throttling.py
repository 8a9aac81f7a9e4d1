"""Limits API calls a minute per key, and per user over all their keys. Counted in the database, for all web processes together.

Each key and user has a leaky bucket. It holds the calls of one minute, so that many may come at once, and leaks at the allowed
rate.
"""

import json
import math
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.models import RequestBucket
from faceplatform.database.batches import delete_in_batches
from faceplatform.database.planned import planned_cursor

# One statement counts in both buckets, always the key's first, so that two calls cannot deadlock.
COUNT = """
INSERT INTO accounts_requestbucket AS bucket (subject, level, allowed, at)
SELECT subject, 1, true, clock_timestamp() FROM unnest(%(subjects)s::text[]) subject
ON CONFLICT (subject) DO UPDATE SET (level, allowed, at) = (
    SELECT CASE WHEN leaked + 1 <= rate THEN leaked + 1 ELSE leaked END, leaked + 1 <= rate, clock_timestamp()
    FROM (
        SELECT rate, greatest(bucket.level - rate / 60 * extract(epoch FROM clock_timestamp() - bucket.at), 0) AS leaked
        FROM (SELECT (%(rates)s::jsonb ->> split_part(bucket.subject, ':', 1))::float AS rate) allowed
    ) now
)
RETURNING subject, level, allowed
"""


class RateThrottle(BaseThrottle):
    """Answers 429 with Retry-After to who calls too often; see FACEPLATFORM_KEY_RATE and FACEPLATFORM_USER_RATE."""

    def __init__(self) -> None:
        self._wait = 0

    def allow_request(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            return True
        subjects = {"key": request.auth.pk if request.auth else None, "user": request.user.pk}
        rates = {"key": settings.KEY_RATE, "user": settings.USER_RATE}
        limited = [f"{kind}:{pk}" for kind, pk in subjects.items() if pk and rates[kind]]
        if limited:
            self._wait = _count(limited, rates)
        return self._wait == 0

    def wait(self) -> int:
        return self._wait


def delete_idle_buckets() -> int:
    """Deletes the buckets that have become empty; returns how many."""
    return delete_in_batches(RequestBucket.objects.filter(at__lt=timezone.now() - timedelta(minutes=2)))


def _count(subjects: list[str], rates: dict[str, int]) -> int:
    """Counts a call in each of the buckets. Returns 0 if it is allowed, else the seconds to wait."""
    with planned_cursor() as cursor:
        cursor.execute(COUNT, {"subjects": subjects, "rates": json.dumps(rates)})
        refused = [(subject, level) for subject, level, allowed in cursor.fetchall() if not allowed]
    waits = []
    for subject, level in refused:
        rate = rates[subject.partition(":")[0]]
        waits.append(math.ceil((level + 1 - rate) / rate * 60) or 1)
    return max(waits, default=0)
