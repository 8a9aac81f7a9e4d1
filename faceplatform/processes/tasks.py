"""The background job that looks after the others: procrastinate finds it by PROCRASTINATE_IMPORT_PATHS."""

import logging

from procrastinate.contrib.django import app

from faceplatform.processes.jobs import MAINTENANCE, requeue_lost

logger = logging.getLogger(__name__)


@app.periodic(cron="* * * * *")
@app.task(
    queue=MAINTENANCE,
    queueing_lock="lost-jobs",
    pass_context=False,
    aliases=["accounts.mails.tasks.requeue_lost_mails"],
)
def requeue_lost_jobs(timestamp: int = 0) -> None:
    """Those of a job worker that was killed, is frozen, or was stopped before they had ended."""
    for name, count in requeue_lost().items():
        logger.warning("of a lost job worker, queued again: %s × %s", count, name)
