"""Days of a gallery, over clock changes and odd zones."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gallery.models import Gallery
from recognition.attendance.days import DAY, bounds_of, day_of, days_of, time_on

ZONES = st.sampled_from(["Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia", "UTC"])
STARTS = st.times(max_value=time(12)).map(lambda at: at.replace(second=0, microsecond=0))
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


def gallery(zone: str, start: time = time(0)) -> Gallery:
    return Gallery(time_zone=zone, day_starts_at=start)


@given(ZONES, STARTS, MOMENTS)
def test_every_moment_lies_in_one_day(zone, start, at):
    hall = gallery(zone, start)
    day = day_of(hall, at)
    begins, ends = bounds_of(hall, day)
    assert begins <= at < ends
    assert bounds_of(hall, day + DAY)[0] == ends


@given(ZONES, STARTS, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=3)))
def test_a_span_counts_on_each_of_its_days(zone, start, first, length):
    hall = gallery(zone, start)
    days = list(days_of(hall, first, first + length))
    assert days[0] == day_of(hall, first) and days[-1] == day_of(hall, first + length)
    assert days == sorted(set(days)) and len(days) <= length.days + 2


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 1), 24)])
def test_days_of_berlin_have_23_to_25_hours(day, hours):
    begins, ends = bounds_of(gallery("Europe/Berlin"), date(*day))
    assert ends - begins == timedelta(hours=hours)


def test_a_night_shift_belongs_to_the_day_that_it_began_on():
    hall = gallery("Asia/Kathmandu", time(4))
    night = datetime(2026, 5, 5, 2, 30, tzinfo=ZoneInfo("Asia/Kathmandu"))
    assert day_of(hall, night.astimezone(UTC)) == date(2026, 5, 4)
    assert time_on(hall, date(2026, 5, 4), time(2, 30)) == night
