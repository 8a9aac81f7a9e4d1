"""Background jobs of the analyses."""

import logging

from procrastinate.contrib.django import app

from faceplatform.processes.jobs import MAINTENANCE
from recognition.analysis.services import delete_old_analyses

logger = logging.getLogger(__name__)


@app.periodic(cron="*/10 * * * *")
@app.task(
    queue=MAINTENANCE, queueing_lock="clean-analyses", pass_context=False, aliases=["recognition.tasks.clean_analyses"]
)
def clean_analyses(timestamp: int) -> None:
    """Deletes the detections, embeddings, comparisons and live recognitions that are older than an hour."""
    logger.info("deleted %s analyses", delete_old_analyses())
