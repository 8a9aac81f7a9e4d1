"""Limits API calls a minute per key, and per user over all their keys.

Each key and user has a leaky bucket (accounts/buckets.py), always counted in that order. It holds the calls of one minute, so
that many may come at once, and leaks at the allowed rate.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts import buckets
from accounts.models import RequestBucket
from faceplatform.database.batches import delete_in_batches


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
            self._wait = buckets.count(limited, {kind: (rate, rate) for kind, rate in rates.items()})
        return self._wait == 0

    def wait(self) -> int:
        return self._wait


def delete_idle_buckets() -> int:
    """Deletes the buckets that have become empty, those of a day (accounts/sign_in/throttling.py) too; returns how many."""
    return delete_in_batches(RequestBucket.objects.filter(at__lt=timezone.now() - timedelta(days=1)))
