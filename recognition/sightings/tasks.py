"""The jobs that look at a gallery's unknown people: every night, on demand, and at names alone after somebody was enrolled."""

import logging
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from procrastinate.contrib.django import app

from accounts.actor import system_actor
from faceplatform.processes.jobs import MAINTENANCE, REPORTS, RETRY, defer_once
from gallery.models import FaceSample, Gallery
from recognition.cameras.models import UnknownPerson
from recognition.sightings.merging import look_at_unknowns, suggest_names
from recognition.sightings.unknown_people import lock_unknowns, refresh

logger = logging.getLogger(__name__)
ENROLLED_WITHIN = timedelta(minutes=12)  # the job runs every five minutes, and may be late


@app.task(queue=REPORTS, retry=RETRY, pass_context=False)
def merge_unknowns(gallery_id: str) -> None:
    """Merges unknown people who are clearly the same, and suggests who they may be."""
    if gallery := _open_galleries().filter(pk=UUID(gallery_id)).first():
        looked = look_at_unknowns(actor=system_actor(), gallery=gallery)
        logger.info("unknown people of %s: %s", gallery.slug, looked)


@app.task(queue=REPORTS, retry=RETRY, pass_context=False)
def name_unknowns(gallery_id: str) -> None:
    """Suggests which unknown person may be whom in the gallery."""
    if gallery := _open_galleries().filter(pk=UUID(gallery_id)).first():
        suggest_names(gallery=gallery)


@app.task(queue=MAINTENANCE, retry=RETRY, pass_context=False)
def refresh_unknowns(unknowns: list[str]) -> None:
    """Makes the centroids of these unknown people anew, of one gallery; after sightings of theirs were deleted."""
    with transaction.atomic():
        people = [UUID(pk) for pk in unknowns]
        if gallery := UnknownPerson.objects.filter(pk__in=people).values_list("gallery", flat=True).first():
            lock_unknowns(gallery)
            refresh(people)


@app.periodic(cron="47 2 * * *")
@app.task(queue=REPORTS, queueing_lock="merge-unknowns", pass_context=False)
def merge_nightly(timestamp: int = 0) -> None:
    """Queues a look at the unknown people of each gallery."""
    for gallery in _open_galleries():
        start_merge(gallery)


@app.periodic(cron="*/5 * * * *")
@app.task(queue=REPORTS, queueing_lock="name-unknowns", pass_context=False)
def name_after_enrolment(timestamp: int = 0) -> None:
    """Queues a look for names in galleries where somebody has just been enrolled."""
    lately = FaceSample.objects.filter(
        gallery=OuterRef("pk"), created_at__gt=timezone.now() - ENROLLED_WITHIN
    ).order_by()
    for gallery in _open_galleries().filter(Exists(lately)):
        look_for_names(gallery)


def start_merge(gallery: Gallery) -> None:
    """Queues a look at the gallery's unknown people, unless one is queued already."""
    defer_once(merge_unknowns, f"merge-unknowns-{gallery.pk}", gallery_id=str(gallery.pk))


def look_for_names(gallery: Gallery) -> None:
    """Queues a look for names of the gallery's unknown people; after naming, corrections and enrolments."""
    defer_once(name_unknowns, f"name-unknowns-{gallery.pk}", gallery_id=str(gallery.pk))


def _open_galleries() -> QuerySet[Gallery]:
    """Those that have unknown people to look at, and are not being deleted."""
    people = UnknownPerson.objects.open().filter(gallery=OuterRef("pk")).order_by()
    return Gallery.objects.filter(Exists(people), deletes_at=None).order_by("pk")
