"""The daily backup. It is looked at every hour whether one is due, so one that was missed or failed is made up for."""

import logging

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from accounts.actor import system_actor
from faceplatform.errors import DomainError
from faceplatform.processes.jobs import BACKUPS
from recognition.backups import services
from recognition.backups.models import Backup
from recognition.backups.schedule import is_due

logger = logging.getLogger(__name__)


@app.periodic(cron="3 * * * *")
@app.task(queue=BACKUPS, queueing_lock="daily-backup", pass_context=False)
def back_up_daily(timestamp: int = 0) -> None:
    """Makes the daily backup if it is due, and restores it on trial."""
    with services.only_one() as alone:
        last = Backup.objects.latest_daily()
        if alone and is_due(timezone.localtime(), last.started_at if last else None):
            _back_up()


def _back_up() -> None:
    try:
        backup = services.make_own(actor=system_actor(), kind=Backup.Kind.DAILY)
        logger.info("the daily backup %s has %s bytes", backup.file, backup.size)
        if settings.BACKUP_VERIFY:
            services.verify_own(backup)
    except (DomainError, OSError) as error:  # it is recorded, shown on the System page, and tried again in an hour
        logger.error("the daily backup failed: %s", error)
