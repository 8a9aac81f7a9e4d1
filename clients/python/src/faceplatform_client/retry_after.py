"""The header Retry-After: a number of seconds, or a date."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

UTC = timezone.utc  # noqa: UP017  datetime.UTC is new in Python 3.11, and the client runs on 3.10


def seconds_of(value: str | None) -> float | None:
    """Seconds from now, at least 0; None if there is no such header or it cannot be read."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
