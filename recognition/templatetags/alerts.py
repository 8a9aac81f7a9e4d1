"""Alerts in words, and how many are new."""

from django import template

from accounts.models import User
from recognition.alerts.models import Alert
from recognition.alerts.querysets import COUNTED
from recognition.alerts.representation import in_words, machine_of

register = template.Library()
register.filter("in_words", in_words)
register.filter("machine", machine_of)


@register.filter
def seen_by(alert: Alert) -> str:
    """Who has looked at it, the first one first. Takes an alert read by `with_seen`."""
    return ", ".join(str(row.user) for row in alert.seen.all())


@register.simple_tag
def new_alerts(slug: str, user: User) -> str:
    """How many alerts of the gallery `user` has not looked at yet: “3”, “99+”, or nothing. One query."""
    count = Alert.objects.filter(gallery__slug=slug).count_new_to(user)
    return f"{COUNTED - 1}+" if count >= COUNTED else str(count or "")
