"""Puts an alert's messages into the outbox, in the alert's own transaction."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uuid6
from django.conf import settings
from django.db import connection, transaction
from procrastinate import exceptions
from procrastinate.contrib.django import app

from faceplatform.processes.jobs import DELIVERIES
from recognition.alerts.models import Alert, AlertMail, MqttMessage, WebhookDelivery, WebhookEndpoint
from recognition.alerts.representation import alert_as_dict
from recognition.cameras.models import Sighting

TEST = "webhook.test"
MQTT = "mqtt"  # the channel of NOTIFY: there is something to be published
# The jobs, by name: their module is further up.
DELIVER, MAIL = "recognition.alerts.tasks.deliver", "recognition.alerts.tasks.send_mails"


def send(alert: Alert) -> None:
    """To every endpoint of the gallery that wants this kind, to the addresses of its rule, and to the MQTT broker."""
    publish(alert.gallery_id, alert=alert)
    endpoints = WebhookEndpoint.objects.filter(gallery=alert.gallery, enabled=True)
    for endpoint in endpoints:
        if not endpoint.kinds or alert.kind in endpoint.kinds:
            put(endpoint, f"alert.{alert.kind}", alert.raised_at, alert_as_dict(alert), alert)
    addresses = alert.rule.emails if alert.rule and settings.SENDS_EMAIL else []
    if addresses:
        AlertMail.objects.bulk_create(
            AlertMail(gallery=alert.gallery, alert=alert, address=address) for address in addresses
        )
        transaction.on_commit(lambda: _defer(MAIL, "alert-mails", None))


def publish(gallery_id: UUID, **about: Sighting | Alert) -> None:
    """Has the sighting or the alert told to the MQTT broker, where there is one."""
    if not settings.TELLS_MQTT:
        return
    MqttMessage.objects.create(gallery_id=gallery_id, **about)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [MQTT])


def put(
    endpoint: WebhookEndpoint, kind: str, at: datetime, data: dict[str, Any], alert: Alert | None = None
) -> WebhookDelivery:
    """One message, delivered after the commit. at: when it happened."""
    body = {"type": kind, "timestamp": at.astimezone(UTC).isoformat().replace("+00:00", "Z"), "data": data}
    delivery = WebhookDelivery.objects.create(
        gallery_id=endpoint.gallery_id,
        endpoint=endpoint,
        alert=alert,
        message_id=f"msg_{uuid6.uuid7().hex}",
        type=kind,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
    )
    wake(endpoint)
    return delivery


def wake(endpoint: WebhookEndpoint, at: datetime | None = None) -> None:
    """Has what is due at an endpoint delivered once the transaction has committed, or at that time. A job that is lost is made
    up for: what is due is looked for every minute."""
    lock = f"deliver-{endpoint.pk}-{at.timestamp():.0f}" if at else f"deliver-{endpoint.pk}"
    transaction.on_commit(lambda: _defer(DELIVER, lock, at, endpoint_id=str(endpoint.pk)))


def _defer(name: str, lock: str, at: datetime | None, **arguments: str) -> None:
    job = app.configure_task(name, queue=DELIVERIES, queueing_lock=lock, schedule_at=at)
    with contextlib.suppress(exceptions.AlreadyEnqueued), transaction.atomic():
        job.defer(**arguments)
