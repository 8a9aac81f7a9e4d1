"""Rules, alerts and webhooks as the API and the messages show them. People who were merged have their present name."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from faceplatform.web.languages import SOURCE, retold
from gallery.models import Identity
from recognition.alerts.models import (
    Alert,
    AlertKind,
    AlertRule,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from recognition.cameras.models import Camera, UnknownPerson


def in_words(alert: Alert) -> str:
    """A sentence, in the language that is active."""
    if alert.kind == AlertKind.CAMERA_OFFLINE:
        if alert.camera is None:
            return _("A camera is lost.")
        return _("The camera %(camera)s is lost.") % {"camera": alert.camera}
    who = name_of(alert)
    if alert.kind == AlertKind.ABSENT:
        return _("%(who)s has not come.") % {"who": who}
    if alert.camera is None:
        return _("%(who)s was seen.") % {"who": who}
    return _("%(who)s was seen at %(camera)s.") % {"who": who, "camera": alert.camera}


def name_of(alert: Alert) -> str:
    """Whom it is about. Takes an alert read by `with_all`."""
    if alert.identity is not None:
        return alert.identity.current.name if alert.identity.current else _("A deleted person")
    return retold(str(alert.unknown.current)) if alert.unknown else _("Somebody")


def alert_as_dict(alert: Alert) -> dict[str, Any]:
    """What everybody may be told of it. Takes an alert read by `with_all`; addresses are below the platform's own.

    Its text is English whatever language is active: programs read it.
    """
    sighting = alert.sighting
    with translation.override(SOURCE):
        text = in_words(alert)
    return {
        "id": str(alert.pk),
        "gallery": alert.gallery.slug,
        "kind": alert.kind,
        "rule": alert.rule_name,
        "text": text,
        "raised_at": _utc(alert.raised_at),
        "camera": camera_as_dict(alert.camera) if alert.camera else None,
        "identity": _person(alert.identity.current if alert.identity else None),
        "unknown": _unknown(alert.unknown.current) if alert.unknown else None,
        "date": alert.date.isoformat() if alert.date else None,
        "sighting": {
            "id": str(sighting.pk),
            "decision": sighting.decision,
            "distance": sighting.distance,
            "threshold": sighting.threshold,
            "first_seen": _utc(sighting.first_seen),
        }
        if sighting
        else None,
        "picture": reverse("api:alert-picture", args=[alert.pk]) if sighting else None,
    }


def seen_as_list(alert: Alert) -> list[dict[str, Any]]:
    """Who has looked at it, the first one first. Takes an alert read by `with_seen`."""
    return [{"user": row.user.get_username(), "at": row.at} for row in alert.seen.all()]


def rule_as_dict(rule: AlertRule) -> dict[str, Any]:
    """Takes a rule read by `with_choices`."""
    return {
        "id": str(rule.pk),
        "gallery": rule.gallery.slug,
        "name": rule.name,
        "kind": rule.kind,
        "enabled": rule.enabled,
        "cameras": [str(row.pk) for row in rule.cameras.all()],
        "people": [str(row.pk) for row in rule.about],
        "but_not": [str(row.pk) for row in rule.not_about],
        "weekdays": rule.weekdays,
        "starts_at": rule.starts_at,
        "ends_at": rule.ends_at,
        "min_score": rule.min_score,
        "cooldown": rule.cooldown,
        "absent_after": rule.absent_after,
        "emails": rule.emails,
        "created_at": rule.created_at,
    }


def endpoint_as_dict(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": str(endpoint.pk),
        "gallery": endpoint.gallery.slug,
        "url": endpoint.url,
        "kinds": endpoint.kinds,
        "enabled": endpoint.enabled,
        "off_reason": endpoint.off_reason,
        "failing_since": endpoint.failing_since,
        "old_secret_until": endpoint.old_secret_until,
        "created_at": endpoint.created_at,
    }


def delivery_as_dict(delivery: WebhookDelivery) -> dict[str, Any]:
    """Takes a delivery read by `with_tries`."""
    return {
        "id": str(delivery.pk),
        "gallery": delivery.gallery.slug,
        "endpoint": str(delivery.endpoint_id),
        "alert": str(delivery.alert_id) if delivery.alert_id else None,
        "message_id": delivery.message_id,
        "type": delivery.type,
        "body": bytes(delivery.body).decode(),
        "status": delivery.status,
        "next_at": delivery.next_at,
        "created_at": delivery.created_at,
        "attempts": [_attempt(row) for row in delivery.tries.all()],
    }


def machine_of(url: str) -> str:
    """An address without its path, which may hold a token."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def camera_as_dict(camera: Camera) -> dict[str, str]:
    return {"id": str(camera.pk), "slug": camera.slug, "name": camera.name}


def _attempt(row: WebhookAttempt) -> dict[str, Any]:
    names = ("at", "status", "milliseconds", "error", "answer")
    return {name: getattr(row, name) for name in names}


def _person(identity: Identity | None) -> dict[str, str] | None:
    if identity is None:
        return None
    return {"id": str(identity.pk), "name": identity.name, "external_id": identity.external_id}


def _unknown(unknown: UnknownPerson) -> dict[str, Any]:
    return {"id": str(unknown.pk), "number": unknown.number}


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
