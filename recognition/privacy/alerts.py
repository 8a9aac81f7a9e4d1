"""Alerts about a person as a data subject, and how they are deleted, with the messages that told them."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet

from recognition.alerts.models import Alert
from recognition.privacy.counting import delete_rows
from recognition.privacy.sightings import seen_ids
from recognition.privacy.subject import Subject

ALERT = ("id", "kind", "rule_name", "date", "raised_at", "sighting_id")


def alerts_about(subject: Subject) -> QuerySet[Alert]:
    """Those that name them, those about the unknown person that they were, and those whose sighting shows them."""
    seen = seen_ids(subject)
    return Alert.objects.filter(Q(identity__in=subject.people) | Q(sighting__in=seen) | Q(unknown__in=seen))


def erase_alerts(subject: Subject) -> Counter[str]:
    """Messages that were delivered already are with their receivers."""
    return delete_rows(alerts_about(subject).only("pk"))


def exported_alerts(subject: Subject) -> Iterator[dict[str, Any]]:
    rows = alerts_about(subject).select_related("camera").order_by("raised_at", "id")
    for alert in rows.iterator(chunk_size=500):
        values = {name: getattr(alert, name) for name in ALERT}
        yield values | {"camera": alert.camera.name if alert.camera else None}
