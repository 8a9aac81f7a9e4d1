"""How a run of an import ends."""

from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actor import system_actor
from faceplatform.errors import NotAllowed
from gallery.search.indexing import analyze
from recognition.imports.models import Import, ImportRow
from recognition.imports.requester import requester_of
from recognition.photos.faults import SERVER

ANALYZE_FROM = 1_000  # new samples after which the planner needs new statistics
SERVER_FAULTS = gettext_noop(
    "%(count)s of the photos could not be processed for a fault of the server. Tell your operator, then resume the import: "
    "it does them again."
)


@transaction.atomic
def finish(job: Import, runner: UUID, status: str, message: str = "") -> bool:
    """Ends the run if it is still ours; returns whether it was. Once the import is done, its upload is deleted."""
    fields = {"status": status, "error_message": message, "runner": None, "lease_expires_at": None}
    if not Import.objects.filter(pk=job.pk, runner=runner).update(finished_at=timezone.now(), **fields):
        return False
    counts = ["enrolled", "skipped", "refused", "ignored"]
    job.refresh_from_db(fields=counts)
    if status == Import.Status.DONE:
        job.pieces.all().delete()
    if job.enrolled >= ANALYZE_FROM:
        with connection.cursor() as cursor:
            analyze(cursor)
    details = {"status": str(status)} | {name: getattr(job, name) for name in counts}
    try:
        actor = requester_of(job)
    except NotAllowed:
        actor = system_actor()
    audit.record(actor=actor, action="import.ended", gallery=job.gallery, target=job, details=details)
    return True


def forget_server_faults(job: Import) -> None:
    """Lets the photos that failed for a fault of the server be done again: as if they had not been read yet."""
    with transaction.atomic():
        forgotten, _ = _server_faults(job).delete()
        Import.objects.filter(pk=job.pk).update(refused=F("refused") - forgotten)


def _server_faults(job: Import) -> QuerySet[ImportRow]:
    return job.rows.filter(status=ImportRow.Status.REFUSED, code__in=SERVER)


def end(job: Import, runner: UUID, at_end: bool) -> None:
    """Ends a run that nothing interrupted. With photos to do again it is not done, so that its source is kept."""
    if not at_end:
        finish(job, runner, Import.Status.STOPPED)
    elif count := _server_faults(job).count():
        finish(job, runner, Import.Status.FAILED, SERVER_FAULTS % {"count": count})
    else:
        finish(job, runner, Import.Status.DONE)
