"""The days of a gallery: which one a moment belongs to, and when one begins and ends.

A day begins at the gallery's `day_starts_at` in its time zone, so one of them has 23 or 25 hours where clocks change. A start
that the clocks skip is taken as much later as they jump; of one that comes twice, the first counts (PEP 495, fold 0).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from gallery.models import Gallery

DAY = timedelta(days=1)


def start_of(gallery: Gallery, day: date) -> datetime:
    """In UTC."""
    local = datetime.combine(day, gallery.day_starts_at, tzinfo=gallery.zone)
    return local.astimezone(UTC)


def bounds_of(gallery: Gallery, day: date) -> tuple[datetime, datetime]:
    """Start, and the next day's start, in UTC."""
    return start_of(gallery, day), start_of(gallery, day + DAY)


def day_of(gallery: Gallery, at: datetime) -> date:
    """at: aware. The day whose bounds it lies in."""
    day = at.astimezone(gallery.zone).date()
    if at < start_of(gallery, day):
        return day - DAY
    return day if at < start_of(gallery, day + DAY) else day + DAY


def days_of(gallery: Gallery, first: datetime, last: datetime) -> Iterator[date]:
    """All days from `first` to `last`, both included: who is seen across a day's start counts on both."""
    day = day_of(gallery, first)
    end = day_of(gallery, last)
    while day <= end:
        yield day
        day += DAY


def time_on(gallery: Gallery, day: date, at: time) -> datetime:
    """A clock time on a gallery's day, in UTC: before the day's start it is of the next calendar day."""
    calendar = day if at >= gallery.day_starts_at else day + DAY
    return datetime.combine(calendar, at, tzinfo=gallery.zone).astimezone(UTC)
