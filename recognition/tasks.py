"""Background jobs that run no model."""

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone
from procrastinate import JobContext, exceptions
from procrastinate.contrib.django import app

from accounts.actor import system_actor
from accounts.idempotency import delete_expired
from accounts.keys.throttling import forget_idle
from gallery.curation.services import purge_deleted
from gallery.models import Gallery
from recognition.analysis.services import delete_old_analyses
from recognition.calibration.services import run_calibration
from recognition.health.services import run_health
from recognition.imports.running import run_import, wait_for_some
from recognition.models import CalibrationReport, HealthReport, Import
from recognition.privacy.services import apply_retention
from recognition.services import follow_merges

logger = logging.getLogger(__name__)


@app.periodic(cron="17 3 * * *")
@app.task(queueing_lock="daily-cleaning", pass_context=False)
def clean_daily(timestamp: int) -> None:
    """Lets go what is past its retention, what curators deleted long ago, and sessions that have ended."""
    for gallery in Gallery.objects.all():
        logger.info("retention of %s: %s", gallery.slug, apply_retention(actor=system_actor(), gallery=gallery))
    follow_merges()
    logger.info("purged %s", purge_deleted(before=timezone.now() - timedelta(days=settings.PURGE_DAYS)))
    call_command("clearsessions")
    logger.info("forgot %s answers to repeated calls and %s idle buckets", delete_expired(), forget_idle())


@app.periodic(cron="*/10 * * * *")
@app.task(queueing_lock="clean-analyses", pass_context=False)
def clean_analyses(timestamp: int) -> None:
    """Deletes what was detected, embedded and compared an hour ago."""
    logger.info("deleted %s analyses", delete_old_analyses())


@app.task(pass_context=True)
def import_uploaded(context: JobContext, job_id: str) -> None:
    """Runs an import whose ZIP was uploaded; nothing where it runs already."""
    run_import(UUID(job_id), work=wait_for_some, interrupted=context.should_abort)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="resume-imports", pass_context=False)
def resume_imports(timestamp: int = 0) -> None:
    """Takes up imports whose job was killed."""
    for job in Import.objects.free().filter(place=""):
        start(job)


def start(job: Import) -> None:
    """Queues the job of an import, once."""
    _defer_once(import_uploaded, f"import-{job.pk}", job_id=str(job.pk))


@app.task(pass_context=False)
def compute_health(gallery_id: str) -> None:
    """Looks a gallery through for what is wrong; nothing where nobody waits for it."""
    run_health(UUID(gallery_id))


@app.task(pass_context=False)
def compute_calibration(gallery_id: str) -> None:
    """Measures a gallery's own error rates; nothing where nobody waits for it."""
    run_calibration(UUID(gallery_id))


def start_health(report: HealthReport) -> None:
    _defer_once(compute_health, f"health-{report.pk}", gallery_id=str(report.pk))


def start_calibration(report: CalibrationReport) -> None:
    _defer_once(compute_calibration, f"calibration-{report.pk}", gallery_id=str(report.pk))


def _defer_once(task, lock: str, **arguments: str) -> None:
    """Queues a job, unless it waits already."""
    try:
        with transaction.atomic():
            task.configure(queueing_lock=lock).defer(**arguments)
    except exceptions.AlreadyEnqueued:
        logger.info("%s is queued already", lock)
