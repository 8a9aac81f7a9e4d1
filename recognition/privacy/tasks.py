"""The nightly jobs that delete what is past its time. One that fails holds up no other, and is tried again."""

import logging
from uuid import UUID

from procrastinate.contrib.django import app

from accounts.actor import system_actor
from faceplatform.processes.jobs import MAINTENANCE, RETRY, defer_once
from gallery.models import Gallery
from recognition.privacy.cleaning import GALLERY_STEPS, STEPS
from recognition.privacy.gallery_deletion import delete_due

logger = logging.getLogger(__name__)


@app.periodic(cron="17 3 * * *")
@app.task(
    queue=MAINTENANCE,
    retry=RETRY,
    queueing_lock="daily-cleaning",
    pass_context=False,
    aliases=["recognition.tasks.clean_daily"],
)
def clean_daily(timestamp: int) -> None:
    """Queues a job for each step, and for each step and gallery."""
    for step in STEPS:
        defer_once(clean, f"clean-{step}", step=step)
    for gallery in Gallery.objects.order_by("pk").values_list("pk", flat=True):
        for step in GALLERY_STEPS:
            defer_once(clean_gallery, f"clean-{step}-{gallery}", step=step, gallery_id=str(gallery))


@app.task(queue=MAINTENANCE, retry=RETRY, pass_context=False)
def clean(step: str) -> None:
    """Does one step for the whole installation."""
    logger.info("cleaning: %s: %s", step, STEPS[step]())


@app.task(queue=MAINTENANCE, retry=RETRY, pass_context=False)
def clean_gallery(step: str, gallery_id: str) -> None:
    """Does one step for a gallery, unless it has been deleted since."""
    if gallery := Gallery.objects.filter(pk=UUID(gallery_id)).first():
        logger.info("cleaning: %s of %s: %s", step, gallery.slug, GALLERY_STEPS[step](gallery))


@app.periodic(cron="*/10 * * * *")
@app.task(queue=MAINTENANCE, queueing_lock="delete-galleries", pass_context=False)
def delete_galleries(timestamp: int = 0) -> None:
    """Deletes the galleries whose waiting time is over. One that was interrupted goes on."""
    for erasure in delete_due(actor=system_actor()):
        logger.info("deleted the gallery %s; report %s", erasure.gallery_slug, erasure.pk)
