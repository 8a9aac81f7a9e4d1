"""Who should have come by now, and did not. Once a person, rule and day, and only where cameras gave pictures."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from gallery.models import Identity
from recognition.alerts.models import Alert, AlertKind, AlertRule
from recognition.alerts.raising import people_expected, tell
from recognition.attendance.days import day_of, time_on
from recognition.attendance.models import Presence
from recognition.attendance.report import Days, people_of


def raise_absences(now: datetime | None = None) -> int:
    """Returns how many alerts were raised."""
    now = now or timezone.now()
    rules = AlertRule.objects.filter(kind=AlertKind.ABSENT, enabled=True, gallery__deletes_at=None)
    return sum(_raise(rule, now) for rule in rules.with_choices())


def _raise(rule: AlertRule, now: datetime) -> int:
    gallery = rule.gallery
    day = day_of(gallery, now)
    assert rule.absent_after is not None  # the constraint alert_rule_absent_has_time
    if day.weekday() not in rule.weekdays or now < time_on(gallery, day, rule.absent_after):
        return 0
    told = set(Alert.objects.filter(rule=rule, date=day).values_list("identity", flat=True))
    people: list[Identity] = [person for person in people_expected(rule, people_of(gallery)) if person.pk not in told]
    days = Days(gallery, day, day, people)
    absent = [person for person in people if days.of(person, day).presence == Presence.ABSENT]
    with transaction.atomic():
        AlertRule.objects.select_for_update().get(pk=rule.pk)
        told = set(Alert.objects.filter(rule=rule, date=day).values_list("identity", flat=True))
        absent = [person for person in absent if person.pk not in told]
        for person in absent:
            tell(rule, identity=person, date=day)
    return len(absent)
