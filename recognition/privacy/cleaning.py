"""What is cleaned every night: some steps for each gallery, some for the whole installation. Each is a job of its own."""

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from accounts.actor import system_actor
from accounts.idempotency import delete_expired
from accounts.keys.throttling import delete_idle_buckets
from accounts.sign_in.sessions import delete_ended
from faceplatform.processes.jobs import delete_finished
from gallery.curation.contexts import delete_empty_contexts
from gallery.curation.services import purge_deleted
from gallery.models import Gallery
from recognition.alerts.delivery import delete_old_tests
from recognition.imports.services import end_abandoned
from recognition.photos.services import follow_merges
from recognition.privacy.services import apply_retention
from recognition.privacy.sightings import purge_unknowns
from recognition.sightings import following


def _retention(gallery: Gallery) -> object:
    return apply_retention(actor=system_actor(), gallery=gallery)


def _purge(gallery: Gallery) -> object:
    """What curators deleted long ago. Past answers that name merged people are changed first."""
    before = timezone.now() - timedelta(days=settings.PURGE_DAYS)
    follow_merges(gallery)
    following.follow_merges(gallery, before=before)
    unknowns = purge_unknowns(gallery, before=before)
    return purge_deleted(before=before, gallery=gallery) | {"unknowns": unknowns}


GALLERY_STEPS: dict[str, Callable[[Gallery], object]] = {"retention": _retention, "purge": _purge}
STEPS: dict[str, Callable[[], object]] = {
    "abandoned_imports": lambda: end_abandoned(actor=system_actor()),
    "sessions": delete_ended,
    "stored_answers": delete_expired,
    "rate_limits": delete_idle_buckets,
    "history_contexts": delete_empty_contexts,
    "finished_jobs": delete_finished,
    "test_messages": delete_old_tests,
}
