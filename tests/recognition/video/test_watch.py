"""Rates, pauses and deadlines, by numbers."""

import pytest

from recognition.video.source import Reason, SourceError
from recognition.video.watch import Cancelled, Patience, Pauses, Pulse, Watch

PATIENCE = Patience()
EXACT = Patience(jitter=0)


def beating(rate: float, seconds: float, start: float = 100.0, pulse: Pulse | None = None, wanted: float = 4):
    pulse = pulse or Pulse(PATIENCE, wanted)
    for number in range(round(seconds * rate)):
        pulse.beat(start + number / rate)
        pulse.check(start + number / rate)
    return pulse


def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_good_while():
    pauses = Pauses(EXACT)
    assert [pauses.after(Reason.LOST, 0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert pauses.after(Reason.STALLED, good_for=29) == 30
    assert [pauses.after(Reason.LOST, good_for=30), pauses.after(Reason.LOST, 0)] == [1, 2]


@pytest.mark.parametrize("reason", [Reason.WRONG_PASSWORD, Reason.FORBIDDEN, Reason.NOT_FOUND])
def test_what_somebody_has_to_mend_is_tried_once_a_minute(reason):
    pauses = Pauses(EXACT)
    assert [pauses.after(reason, 0) for _ in range(3)] == [60] * 3
    assert pauses.after(Reason.REFUSED, 0) == 1


def test_pauses_differ_so_that_cameras_do_not_come_back_all_at_once():
    found = {round(Pauses(PATIENCE).after(Reason.LOST, 0), 6) for _ in range(200)}
    assert len(found) > 100 and 0.8 <= min(found) < 0.9 and 1.1 < max(found) <= 1.2


def test_the_rate_that_is_told():
    pulse = beating(15, 20)
    assert pulse.rate(119.95) == pytest.approx(15, rel=0.05)
    assert pulse.rate(122.5) == pytest.approx(7.5, rel=0.05)
    assert pulse.rate(130) == 0
    assert pulse.good_for == pytest.approx(20, abs=0.1)
    assert beating(15, 0.5).rate(100.5) == 0


def test_far_fewer_pictures_are_slow_and_after_a_while_too_slow():
    pulse = beating(15, 20, wanted=10)
    assert not pulse.is_slow(120)
    with pytest.raises(SourceError) as raised:
        beating(1, 40, start=120, pulse=pulse)
    assert raised.value.reason == Reason.STALLED
    assert pulse.is_slow(140)


def test_a_camera_that_sends_few_pictures_is_not_slow():
    beating(15, 20, pulse=(pulse := Pulse(PATIENCE, wanted=4)))
    beating(1, 60, start=120, pulse=pulse)  # of a still scene, and enough for what is looked at
    beating(0.2, 300)


def test_slow_for_a_moment_is_forgiven():
    pulse = beating(15, 20, wanted=10)
    for minute in range(5):
        beating(1, 10, start=120 + 60 * minute, pulse=pulse)
        beating(15, 50, start=130 + 60 * minute, pulse=pulse)


def test_late_is_measured_by_the_camera_itself():
    assert beating(15, 20).is_late(122.1) and not beating(15, 20).is_late(121.9)
    assert not beating(0.5, 60).is_late(160) and beating(0.5, 60).is_late(165)


def test_deadlines():
    watch = Watch(100)
    assert 0 < watch.left() <= 100
    watch.allow(0)
    with pytest.raises(SourceError) as raised:
        watch.left()
    assert raised.value.reason == Reason.STALLED
    watch.cancel()
    for wait in (watch.left, lambda: watch.pause(1000)):
        with pytest.raises(Cancelled):
            wait()
