"""Sends alerts by e-mail: claims what is due, sends it, and tries again later if the mail server does not take it."""

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.core.mail import EmailMessage
from django.db import connection
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts.models import User
from recognition.alerts.models import Alert, AlertMail, DeliveryStatus
from recognition.alerts.representation import in_words

logger = logging.getLogger(__name__)
PAUSES = (60, 300, 1_800, 7_200, 36_000)  # seconds, after the first and each later failure
LEASE = timedelta(seconds=120)

CLAIM = """
UPDATE alerts_alertmail SET leased_until = clock_timestamp() + %(lease)s
WHERE id = (
    SELECT id FROM alerts_alertmail
    WHERE status = 'waiting' AND next_at <= clock_timestamp()
      AND (leased_until IS NULL OR leased_until < clock_timestamp()
           OR leased_until > clock_timestamp() + 2 * %(lease)s)
    ORDER BY next_at, id
    FOR UPDATE SKIP LOCKED
    LIMIT 1
)
RETURNING id
"""


def send_due() -> int:
    """Sends what is due, one after the other. Returns how many attempts were made."""
    count = 0
    while mail := _claim():
        _settle(mail, _send(mail))
        count += 1
    return count


def is_due() -> bool:
    return AlertMail.objects.filter(status=DeliveryStatus.WAITING, next_at__lte=timezone.now()).exists()


def _claim() -> AlertMail | None:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"lease": LEASE})  # type: ignore[dict-item]  # psycopg also adapts timedeltas
        row = cursor.fetchone()
    rows = AlertMail.objects.select_related(
        "alert__gallery", "alert__camera", "alert__identity__merged_into", "alert__unknown"
    )
    return rows.filter(pk=row[0]).first() if row else None


def _send(mail: AlertMail) -> str:
    """Sends it once; outside any transaction. Returns why it was not taken; empty if it was."""
    reader = User.objects.filter(email=mail.address.lower()).first()  # it may be nobody's here
    with translation.override(reader.language if reader and reader.language else "en"):
        words, text = _written(mail.alert)
    headers = {"Message-ID": f"<{mail.pk}@faceplatform>"}
    try:
        EmailMessage(words, text, to=[mail.address], headers=headers).send()
    except (OSError, SMTPException) as error:
        return f"It could not be sent ({type(error).__name__})."
    return ""


def _written(alert: Alert) -> tuple[str, str]:
    """The subject and the text, in the language in force."""
    words, gallery = in_words(alert), alert.gallery
    when = alert.raised_at.astimezone(gallery.zone)
    place = _("Gallery: %(gallery)s") % {"gallery": gallery.name}
    rule = _("Rule: %(rule)s") % {"rule": alert.rule_name}
    return words, f"{words}\n\n{when:%Y-%m-%d %H:%M:%S} ({gallery.zone.key})\n{place}\n{rule}\n"


def _settle(mail: AlertMail, error: str) -> None:
    attempts = mail.attempts + 1
    if not error:
        status, next_at = DeliveryStatus.DELIVERED, None
    elif attempts > len(PAUSES):
        status, next_at = DeliveryStatus.FAILED, None
        logger.warning("An alert was not sent by e-mail: %s", error)
    else:
        status, next_at = DeliveryStatus.WAITING, timezone.now() + timedelta(seconds=PAUSES[attempts - 1])
    AlertMail.objects.filter(pk=mail.pk).update(
        status=status, next_at=next_at, attempts=attempts, error=error, leased_until=None
    )
