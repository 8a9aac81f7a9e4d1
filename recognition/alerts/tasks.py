"""The background jobs of alerts: sending webhooks and e-mails, and noticing absences."""

import logging
from uuid import UUID

from procrastinate.contrib.django import app

from faceplatform.processes.jobs import DELIVERIES, MAINTENANCE, defer_once
from recognition.alerts.absences import raise_absences
from recognition.alerts.delivery import deliver_due, endpoints_due
from recognition.alerts.mailing import is_due, send_due

logger = logging.getLogger(__name__)


@app.task(queue=DELIVERIES, pass_context=False)
def deliver(endpoint_id: str) -> None:
    """Sends what is due at an endpoint."""
    deliver_due(UUID(endpoint_id))


@app.periodic(cron="* * * * *")
@app.task(queue=DELIVERIES, queueing_lock="deliver-due", pass_context=False)
def deliver_all_due(timestamp: int = 0) -> None:
    """Retries, and what was left when a job worker ended."""
    for endpoint in endpoints_due():
        defer_once(deliver, f"deliver-{endpoint}", endpoint_id=str(endpoint))

    if is_due():
        defer_once(send_mails, "alert-mails")


@app.task(queue=DELIVERIES, pass_context=False)
def send_mails() -> None:
    """Sends alerts by e-mail."""
    send_due()


@app.periodic(cron="*/5 * * * *")
@app.task(queue=MAINTENANCE, queueing_lock="absences", pass_context=False)
def notice_absences(timestamp: int = 0) -> None:
    if count := raise_absences():
        logger.info("%s people have not come", count)
