"""When a daily backup is due, and which of them are kept: grandfather, father, son."""

from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta

from django.conf import settings

from faceplatform.setting_values import Slots

OVERDUE = timedelta(hours=26)  # a day and a long backup


def kept(times: Sequence[datetime], slots: Slots) -> set[datetime]:
    """Those to be kept: the newest of each of the latest days, ISO weeks and months that have one."""
    keep: set[datetime] = set()
    for count, period in zip(slots, (_day, _week, _month), strict=True):
        newest: dict[Hashable, datetime] = {}
        for time in sorted(times, reverse=True):
            newest.setdefault(period(time), time)
        keep |= set(list(newest.values())[:count])
    return keep


def due_since(now: datetime, hour: int) -> datetime:
    """The latest moment at which a daily backup was to begin. now: in the time zone of `hour`."""
    today = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return today if today <= now else today - timedelta(days=1)


def is_due(now: datetime, last: datetime | None) -> bool:
    """Whether a daily backup is to be made. now: in the platform's time zone. last: when the last one that was made began."""
    return settings.BACKUP_DIR is not None and (last is None or last < due_since(now, settings.BACKUP_HOUR))


def is_overdue(now: datetime, last: datetime | None) -> bool:
    """Whether there should be a newer one by now."""
    return settings.BACKUP_DIR is not None and (last is None or now - last > OVERDUE)


def keeps_for(slots: Slots) -> timedelta:
    """How old the oldest backup gets that is kept."""
    return timedelta(days=max(slots.daily, 7 * slots.weekly, 31 * slots.monthly))


def _day(time: datetime) -> Hashable:
    return time.date()


def _week(time: datetime) -> Hashable:
    return time.isocalendar()[:2]


def _month(time: datetime) -> Hashable:
    return time.year, time.month
