"""The nightly job that deletes what is past its retention."""

import logging
from datetime import timedelta

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from procrastinate.contrib.django import app

from accounts.actor import system_actor
from accounts.idempotency import delete_expired
from accounts.keys.throttling import delete_idle_buckets
from gallery.curation.services import purge_deleted
from gallery.models import Gallery
from recognition.photos.services import follow_merges
from recognition.privacy.gallery_deletion import delete_due
from recognition.privacy.services import apply_retention

logger = logging.getLogger(__name__)


@app.periodic(cron="17 3 * * *")
@app.task(queueing_lock="daily-cleaning", pass_context=False, aliases=["recognition.tasks.clean_daily"])
def clean_daily(timestamp: int) -> None:
    """Deletes what is past its retention, purges what curators deleted long ago, and clears expired sessions."""
    for gallery in Gallery.objects.all():
        logger.info("retention of %s: %s", gallery.slug, apply_retention(actor=system_actor(), gallery=gallery))
    follow_merges()
    logger.info("purged %s", purge_deleted(before=timezone.now() - timedelta(days=settings.PURGE_DAYS)))
    call_command("clearsessions")
    logger.info(
        "deleted %s stored answers to repeated calls and %s idle rate-limit buckets",
        delete_expired(),
        delete_idle_buckets(),
    )


@app.periodic(cron="*/10 * * * *")
@app.task(queueing_lock="delete-galleries", pass_context=False)
def delete_galleries(timestamp: int = 0) -> None:
    """Deletes the galleries whose waiting time is over. One that was interrupted goes on."""
    for erasure in delete_due(actor=system_actor()):
        logger.info("deleted the gallery %s; report %s", erasure.gallery_slug, erasure.pk)
