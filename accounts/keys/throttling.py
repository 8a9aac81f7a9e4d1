"""So many API calls a minute for a key, and for a user over all keys. Counted in the database, so over all web processes.

A bucket leaks at the rate allowed and holds a minute's worth: that many calls may come at once, then as many as leak out.
"""

import json
import math
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from rest_framework.throttling import BaseThrottle

from accounts.models import RequestBucket
from faceplatform.database.planned import planned_cursor

# One statement for both buckets, in the order of their names' kinds, so that no two calls lock each other out.
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
    """429 with Retry-After for who calls too often; see FACEPLATFORM_KEY_RATE and FACEPLATFORM_USER_RATE."""

    def __init__(self):
        self._wait = 0

    def allow_request(self, request, view) -> bool:
        if not request.user.is_authenticated:
            return True
        subjects = {"key": request.auth.pk if request.auth else None, "user": request.user.pk}
        rates = {"key": settings.KEY_RATE, "user": settings.USER_RATE}
        counted = [f"{kind}:{pk}" for kind, pk in subjects.items() if pk and rates[kind]]
        if counted:
            self._wait = _count(counted, rates)
        return self._wait == 0

    def wait(self) -> int:
        return self._wait


def forget_idle() -> int:
    """Deletes the buckets that have run empty; returns how many."""
    return RequestBucket.objects.filter(at__lt=timezone.now() - timedelta(minutes=2)).delete()[0]


def _count(subjects: list[str], rates: dict[str, int]) -> int:
    """Counts a call. Returns the seconds to wait; 0 where it is allowed."""
    with planned_cursor() as cursor:
        cursor.execute(COUNT, {"subjects": subjects, "rates": json.dumps(rates)})
        refused = [(subject, level) for subject, level, allowed in cursor.fetchall() if not allowed]
    waits = []
    for subject, level in refused:
        rate = rates[subject.partition(":")[0]]
        waits.append(math.ceil((level + 1 - rate) / rate * 60) or 1)
    return max(waits, default=0)
