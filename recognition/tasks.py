"""Background jobs that run no model."""

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone
from procrastinate import exceptions
from procrastinate.contrib.django import app

from accounts.idempotency import delete_expired
from accounts.throttling import forget_idle
from gallery.curation import purge_deleted
from recognition.analysis.services import delete_old_analyses
from recognition.imports.services import run_import, wait_for_one
from recognition.models import Import
from recognition.services import delete_old_imports, delete_old_requests, follow_merges

logger = logging.getLogger(__name__)


@app.periodic(cron="17 3 * * *")
@app.task(queueing_lock="daily-cleaning", pass_context=False)
def clean_daily(timestamp: int) -> None:
    """Deletes recognitions past their retention, what curators deleted long ago, and sessions that have ended."""
    logger.info("deleted %s old requests and %s imports", delete_old_requests(), delete_old_imports())
    follow_merges()
    logger.info("purged %s", purge_deleted(before=timezone.now() - timedelta(days=settings.PURGE_DAYS)))
    call_command("clearsessions")
    logger.info("forgot %s answers to repeated calls and %s idle buckets", delete_expired(), forget_idle())


@app.periodic(cron="*/10 * * * *")
@app.task(queueing_lock="clean-analyses", pass_context=False)
def clean_analyses(timestamp: int) -> None:
    """Deletes what was detected, embedded and compared an hour ago."""
    logger.info("deleted %s analyses", delete_old_analyses())


@app.task(pass_context=False)
def import_uploaded(job_id: str) -> None:
    """Runs an import whose ZIP was uploaded; nothing where it runs already."""
    run_import(UUID(job_id), work=wait_for_one)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="resume-imports", pass_context=False)
def resume_imports(timestamp: int = 0) -> None:
    """Takes up imports whose job was killed."""
    for job in Import.objects.free().filter(place=""):
        start(job)


def start(job: Import) -> None:
    """Queues the job of an import, once."""
    try:
        with transaction.atomic():
            import_uploaded.configure(queueing_lock=f"import-{job.pk}").defer(job_id=str(job.pk))
    except exceptions.AlreadyEnqueued:
        logger.info("the import %s is queued already", job.pk)
