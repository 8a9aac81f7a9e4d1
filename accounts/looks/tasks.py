"""The nightly job that deletes looks past their retention."""

import logging
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from accounts.models import Look
from faceplatform.processes.jobs import MAINTENANCE

logger = logging.getLogger(__name__)
BATCH = 5_000  # rows deleted per transaction


@app.periodic(cron="27 3 * * *")
@app.task(queue=MAINTENANCE, queueing_lock="delete-old-looks", pass_context=False)
def delete_old_looks(timestamp: int = 0) -> None:
    """Deletes who looked at what, who signed in, and what was refused, after FACEPLATFORM_LOOK_RETENTION_DAYS."""
    old = Look.objects.filter(hour__lt=timezone.now() - timedelta(days=settings.LOOK_RETENTION_DAYS)).order_by()
    deleted = 0
    while keys := list(old.values_list("pk", flat=True)[:BATCH]):
        deleted += Look.objects.filter(pk__in=keys).delete()[0]
    logger.info("deleted %s looks", deleted)
