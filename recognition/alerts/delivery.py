"""Delivers webhooks: claims what is due, sends it, writes down what became of it, and tries again later.

2xx alone is success; redirects are not followed. Retries: 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 h, ± 10 %, or as a
Retry-After asks. 410, or five days of failures alone, switch an endpoint off.
"""

import random
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from faceplatform.addresses import AddressNotAllowed, CheckedHTTPConnection, CheckedHTTPSConnection, networks_of
from faceplatform.sealed import CannotOpen, unseal
from recognition.alerts.models import DeliveryStatus, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from recognition.alerts.outbox import wake
from recognition.alerts.signing import signature

PAUSES = (
    5,
    300,
    1_800,
    7_200,
    18_000,
    36_000,
    50_400,
    72_000,
    86_400,
)  # seconds, after the first and each later failure
JITTER = 0.1
LONGEST_ASKED = 86_400.0  # seconds of a Retry-After
TIMEOUT = 15.0  # seconds, of a whole attempt
LEASE = timedelta(seconds=60)
AT_ONCE = 2  # of an endpoint
FAILING_FOR = timedelta(days=5)
TESTS_KEPT = timedelta(days=30)
KEPT_ANSWER = 1_000  # characters
READ_ANSWER = 4_096  # bytes
GONE = 410

CLAIM = """
UPDATE alerts_webhookdelivery SET leased_until = clock_timestamp() + %(lease)s
WHERE id = (
    SELECT delivery.id FROM alerts_webhookdelivery delivery
    JOIN alerts_webhookendpoint endpoint ON endpoint.id = delivery.endpoint_id
    WHERE delivery.endpoint_id = %(endpoint)s AND delivery.status = 'waiting' AND endpoint.enabled
      AND delivery.next_at <= clock_timestamp()
      AND (delivery.leased_until IS NULL OR delivery.leased_until < clock_timestamp()
           OR delivery.leased_until > clock_timestamp() + 2 * %(lease)s)
      AND %(at_once)s > (
          SELECT count(*) FROM alerts_webhookdelivery other
          WHERE other.endpoint_id = %(endpoint)s AND other.status = 'waiting' AND other.leased_until > clock_timestamp()
      )
    ORDER BY delivery.next_at, delivery.id
    FOR UPDATE OF delivery SKIP LOCKED
    LIMIT 1
)
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """status: None if there was none; then error says why, in plain words."""

    status: int | None
    error: str = ""
    text: str = ""
    retry_after: float | None = None
    milliseconds: int = 0

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def deliver_due(endpoint_id: UUID) -> int:
    """Sends what is due at an endpoint, one after the other. Returns how many attempts were made."""
    count = 0
    while delivery := _claim(endpoint_id):
        _settle(delivery, attempt(delivery.endpoint, delivery))
        count += 1
    return count


def delete_old_tests() -> int:
    """Deletes the log of test messages; those of alerts are kept as long as these."""
    old = WebhookDelivery.objects.filter(alert=None, created_at__lt=timezone.now() - TESTS_KEPT)
    return old.delete()[0]


def endpoints_due() -> list[UUID]:
    """Endpoints with something to deliver now."""
    rows = WebhookDelivery.objects.filter(
        status=DeliveryStatus.WAITING, next_at__lte=timezone.now(), endpoint__enabled=True
    )
    return list(rows.order_by().values_list("endpoint", flat=True).distinct())


def _claim(endpoint_id: UUID) -> WebhookDelivery | None:
    values: dict[str, UUID | timedelta | int] = {"endpoint": endpoint_id, "lease": LEASE, "at_once": AT_ONCE}
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, values)  # type: ignore[arg-type]  # psycopg also adapts timedeltas
        row = cursor.fetchone()
    return WebhookDelivery.objects.select_related("endpoint").get(pk=row[0]) if row else None


def attempt(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> Answer:
    """Sends it once; outside any transaction."""
    began = time.monotonic()
    try:
        headers = _headers(endpoint, delivery)
        status, text, retry_after = _post(endpoint.url, bytes(delivery.body), headers)
        answer = Answer(status, text=text, retry_after=retry_after)
    except (AddressNotAllowed, CannotOpen) as error:
        answer = Answer(None, str(error))
    except ssl.SSLError:
        answer = Answer(None, _("No secure connection: its certificate is not accepted."))
    except TimeoutError:
        answer = Answer(None, _("No answer within %(seconds)s s.") % {"seconds": f"{TIMEOUT:.0f}"})
    except (OSError, HTTPException) as error:
        answer = Answer(None, _("It could not be reached (%(error)s).") % {"error": type(error).__name__})
    return Answer(
        answer.status, answer.error, answer.text, answer.retry_after, round((time.monotonic() - began) * 1000)
    )


def _headers(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> dict[str, str]:
    timestamp = int(time.time())
    in_force = [unseal(endpoint.secret)]
    if endpoint.old_secret and endpoint.old_secret_until and endpoint.old_secret_until > timezone.now():
        in_force.append(unseal(endpoint.old_secret))
    return {
        "Content-Type": "application/json",
        "User-Agent": "Faceplatform",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(in_force, delivery.message_id, timestamp, bytes(delivery.body)),
    }


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, float | None]:
    """Status, the first characters of the answer, and the seconds of its Retry-After."""
    parts = urlsplit(url)
    networks = networks_of(settings.OUTGOING_NETWORKS)
    kind = CheckedHTTPSConnection if parts.scheme == "https" else CheckedHTTPConnection
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    link = kind(parts.hostname or "", port, timeout=TIMEOUT, allowed_networks=networks)
    try:
        link.request("POST", path, body, dict(headers))
        answer = link.getresponse()
        text = answer.read(READ_ANSWER).decode("utf-8", "replace").replace("\0", "")[:KEPT_ANSWER]
        return answer.status, text, _retry_after(answer)
    finally:
        link.close()


def _retry_after(answer: HTTPResponse) -> float | None:
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), LONGEST_ASKED)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((until - datetime.now(UTC)).total_seconds(), 0.0), LONGEST_ASKED)


@transaction.atomic
def _settle(delivery: WebhookDelivery, answer: Answer) -> None:
    endpoint = WebhookEndpoint.objects.select_for_update().filter(pk=delivery.endpoint_id).first()
    row = WebhookDelivery.objects.select_for_update().filter(pk=delivery.pk).first()
    if endpoint is None or row is None:  # deleted meanwhile
        return
    WebhookAttempt.objects.create(
        delivery=row,
        status=answer.status,
        milliseconds=answer.milliseconds,
        error=answer.error[:200],
        answer=answer.text,
    )
    row.attempts, row.leased_until = row.attempts + 1, None
    if answer.succeeded:
        row.status, row.next_at = DeliveryStatus.DELIVERED, None
        endpoint.failing_since = None
    else:
        _plan_retry(row, answer)
        _note_failure(endpoint, answer)
        if row.next_at and endpoint.enabled:
            wake(endpoint, row.next_at)
    row.save(update_fields=["attempts", "leased_until", "status", "next_at"])
    endpoint.save(update_fields=["failing_since", "enabled", "off_reason"])


def _plan_retry(row: WebhookDelivery, answer: Answer) -> None:
    if row.attempts > len(PAUSES) or answer.status == GONE:
        row.status, row.next_at = DeliveryStatus.FAILED, None
        return
    pause = PAUSES[row.attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    row.next_at = timezone.now() + timedelta(seconds=max(pause, answer.retry_after or 0.0))


def _note_failure(endpoint: WebhookEndpoint, answer: Answer) -> None:
    now = timezone.now()
    endpoint.failing_since = min(endpoint.failing_since or now, now)
    if answer.status == GONE:
        endpoint.enabled, endpoint.off_reason = False, _("It answered 410: it does not want any more.")
    elif now - endpoint.failing_since > FAILING_FOR:
        endpoint.enabled, endpoint.off_reason = False, _("It has failed for five days.")
