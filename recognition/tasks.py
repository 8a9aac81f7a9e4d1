"""Background jobs that run no model."""

import logging

from django.core.management import call_command
from procrastinate.contrib.django import app

from recognition.services import delete_old_requests

logger = logging.getLogger(__name__)


@app.periodic(cron="17 3 * * *")
@app.task(queueing_lock="daily-cleaning", pass_context=False)
def clean_daily(timestamp: int) -> None:
    """Deletes recognitions past their retention, and sessions that have ended."""
    logger.info("deleted %s old requests", delete_old_requests())
    call_command("clearsessions")
