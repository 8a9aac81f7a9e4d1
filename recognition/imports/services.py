"""Imports: enrolling many people as a job with progress, which can be stopped, resumed and run again without doubles.

A few dozen photos are in the queue at a time, at low priority; the workers share them. What became of each is an ImportRow,
so a run that was broken off goes on where it was, and photos that were in the queue are not handed in twice.
"""

import hashlib
import io
import logging
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import uuid6
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit
from accounts.actor import Actor, system_actor
from accounts.models import ApiKey
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict, DomainError, InvalidInput, NotAllowed
from gallery.indexing import analyze
from gallery.models import FaceSample, Gallery, Identity, QualityGate
from gallery.services import create_identity
from recognition import queue
from recognition.imports.sources import UNREADABLE, Rows, Source, SourceLost, SourceRow
from recognition.imports.upload import StoredUpload, store_upload
from recognition.models import Import, ImportRow, Priority, RecognitionRequest, Status
from recognition.services import Photo, submit_enrolment

logger = logging.getLogger(__name__)
IN_FLIGHT = 64  # photos in the queue at a time
LEASE = timedelta(seconds=60)
ANALYZE_FROM = 1_000  # new samples

Work = Callable[[list[UUID]], object]


# --- Asking for it ----------------------------------------------------------------------------------------------------
def create_import(
    *, actor: Actor, gallery: Gallery, name: str, file: BinaryIO | None = None, place: str = "", quality_gate: str = ""
) -> Import:
    """A new import of an uploaded ZIP (`file`), or of something on this machine's disk (`place`).

    Raises InvalidInput where the ZIP cannot be read or holds no photos.
    """
    actor.require_scope(Scope.ENROL)
    actor.require_role(gallery, Role.CURATOR)
    if quality_gate and quality_gate not in QualityGate.values:
        raise InvalidInput(f"quality_gate must be one of {', '.join(QualityGate.values)}.")
    total = None
    if file is not None:
        total = Source(file).count()
        file.seek(0)
        if total == 0:
            raise InvalidInput("There is no photo in it. It needs a folder per person, or a CSV beside the photos.")
    with transaction.atomic():
        job = Import.objects.create(
            gallery=gallery,
            name=name.replace("\0", "")[-255:],
            place=place,
            quality_gate=quality_gate,
            total=total,
            requested_by=actor.user,
            requested_as=actor.as_record(),
        )
        if file is not None:
            job.size = store_upload(job, file)
            job.save(update_fields=["size"])
        audit.record(actor=actor, action="import.created", gallery=gallery, target=job)
    return job


@transaction.atomic
def stop_import(*, actor: Actor, job: Import) -> Import:
    """Stops after the photos that are in the queue. What was enrolled stays."""
    job = _held_by_curator(actor, job)
    if job.status not in (Import.Status.QUEUED, Import.Status.RUNNING):
        raise Conflict("This import does not run.")
    job.stop_requested = True
    if job.status == Import.Status.QUEUED:
        job.status = Import.Status.STOPPED
    job.save(update_fields=["stop_requested", "status"])
    audit.record(actor=actor, action="import.stopped", gallery=job.gallery, target=job)
    return job


@transaction.atomic
def resume_import(*, actor: Actor, job: Import) -> Import:
    """Lets a stopped or failed import go on where it was."""
    job = _held_by_curator(actor, job)
    if job.status not in (Import.Status.STOPPED, Import.Status.FAILED):
        raise Conflict("This import runs or is done. To do it again, start a new one: nothing is enrolled twice.")
    job.status, job.stop_requested, job.error_message, job.finished_at = Import.Status.QUEUED, False, "", None
    job.save(update_fields=["status", "stop_requested", "error_message", "finished_at"])
    audit.record(actor=actor, action="import.resumed", gallery=job.gallery, target=job)
    return job


def unfinished_at(*, gallery: Gallery, place: str) -> Import | None:
    """An import of the same place that was broken off."""
    mine = Import.objects.filter(gallery=gallery, place=place).exclude(status=Import.Status.DONE)
    return mine.order_by("-id").first()


def place_of(path: Path) -> str:
    return f"{socket.gethostname()}:{path.resolve()}"


def _held_by_curator(actor: Actor, job: Import) -> Import:
    actor.require_scope(Scope.ENROL)
    actor.require_role(job.gallery, Role.CURATOR)
    return Import.objects.select_for_update(of=("self",)).select_related("gallery").get(pk=job.pk)


class Interrupted(Exception):
    """The process that runs an import is to end."""


# --- Doing it ---------------------------------------------------------------------------------------------------------
def run_import(
    job_id: UUID,
    *,
    work: Work,
    source: Rows | None = None,
    progress: Callable[[Import], object] = lambda job: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Import | None:
    """Runs an import to its end, or until it is stopped. None where somebody else runs it.

    work: called with the requests in the queue, to help with them or to wait until one is done. source: what is read, where
    it was not uploaded. progress: hears of it.
    interrupted: whether this process is to end now; the import then waits for another one.
    """
    runner = uuid6.uuid7()
    if not _take(job_id, runner):
        return None
    job = Import.objects.select_related("gallery", "requested_by").get(pk=job_id)
    try:
        _actor_of(job)
        source = source or Source(io.BufferedReader(StoredUpload(job), 256 * 1024))
        if job.total is None:
            Import.objects.filter(pk=job.pk).update(total=source.count())
        ended = _run(job, runner, source, work, progress, interrupted)
    except Interrupted:
        fields = {"status": Import.Status.QUEUED, "runner": None, "lease_expires_at": None}
        Import.objects.filter(pk=job.pk, runner=runner).update(**fields)
    except (InvalidInput, NotAllowed) as error:
        _end(job, runner, Import.Status.FAILED, error.message)
    except SourceLost as error:
        _end(job, runner, Import.Status.FAILED, str(error))
    except KeyboardInterrupt:
        _end(job, runner, Import.Status.STOPPED)
        raise
    except Exception as error:
        _end(job, runner, Import.Status.FAILED, f"It broke off ({type(error).__name__}). Let it go on to try again.")
        raise
    else:
        _end(job, runner, Import.Status.DONE if ended else Import.Status.STOPPED)
    return Import.objects.get(pk=job_id)


def wait_for_one(requests: list[UUID]) -> None:
    """The `work` of a process that has no engine: others do it."""
    with queue.hub.subscription(queue.FINISHED) as subscription:
        waiting = RecognitionRequest.objects.filter(pk__in=requests, status__in=["queued", "running"])
        if waiting.count() == len(requests):
            connection.close()
            subscription.wait()


def _run(job: Import, runner: UUID, source: Rows, work: Work, progress, interrupted) -> bool:
    """Whether it came to the end of the source. Raises Interrupted, with photos of the import still in the queue."""
    handled = set(job.rows.values_list("path", flat=True))
    left = (row for row in source.rows() if row.path not in handled)
    waiting, known = _pending(job), {}
    while _keep(job, runner):
        if interrupted():
            raise Interrupted
        stop = Import.objects.values_list("stop_requested", flat=True).get(pk=job.pk)
        exhausted = stop or not _fill(job, left, waiting, known)
        if waiting:
            work(list(waiting.values()))
            _collect(job, waiting)
        progress(job)
        if exhausted and not waiting:
            return not stop
    raise Conflict("The import was taken over by another process.")


def _fill(job: Import, left: Iterator[SourceRow], waiting: dict[UUID, UUID], known: dict[str, Identity]) -> bool:
    """Hands rows in until IN_FLIGHT wait. Returns whether there may be more. known: the person of the row before, by key."""
    while len(waiting) < IN_FLIGHT:
        row = next(left, None)
        if row is None:
            return False
        made = _hand_in(job, row, known)
        if made.request_id:
            waiting[made.pk] = made.request_id
    return True


def _hand_in(job: Import, row: SourceRow, known: dict[str, Identity]) -> ImportRow:
    """A request for the row's photo, or at once why there is none."""
    made = ImportRow(job=job, path=row.path, name=row.name, key=row.key)
    try:
        data = row.read()
        with transaction.atomic():
            _submit(job, row, made, data, known)
            made.save(force_insert=True)
        known.clear()
        known[row.key] = made.identity
    except DomainError as error:
        _refuse(made, error.code, error.message)
    except UNREADABLE as error:
        _refuse(made, "unreadable", f"The photo cannot be read: {error}")
    _count(job, made.status)
    return made


def _submit(job: Import, row: SourceRow, made: ImportRow, data: bytes, known: dict[str, Identity]) -> None:
    if not row.name:
        raise InvalidInput("The row has no name.", code="name_missing")
    actor = _actor_of(job)
    made.identity = known.get(row.key) or _identity(actor, job.gallery, row)
    digest = hashlib.sha256(data).hexdigest()
    there = FaceSample.objects.filter(gallery=job.gallery, photo_sha256=digest, rejected=False)
    if sample := there.select_related("identity").first():
        made.status, made.code = ImportRow.Status.SKIPPED, "duplicate_photo"
        made.reason = f"This photo is enrolled already, for {sample.identity.name}."
        return
    [made.request] = submit_enrolment(
        actor=actor,
        identity=made.identity,
        photos=[Photo(row.photo_name, data)],
        quality_gate=job.quality_gate,
        priority=Priority.BULK,
        needs_worker=False,
    )
    made.status = ImportRow.Status.PENDING


def _identity(actor: Actor, gallery: Gallery, row: SourceRow) -> Identity:
    """Whom the row means: found by the external id, also where a curator has merged the person into another since."""
    known = Identity.with_deleted.select_related("gallery", "merged_into__gallery").filter(
        gallery=gallery, external_id=row.key
    )
    if found := known.filter(deleted_at=None).first():
        return found
    if (merged := known.exclude(merged_into=None).order_by("-deleted_at").first()) and merged.standing:
        return merged.standing
    return create_identity(actor=actor, gallery=gallery, name=row.name, external_id=row.key, **row.fields)


def _refuse(made: ImportRow, code: str, reason: str) -> None:
    made.status, made.code, made.reason = ImportRow.Status.REFUSED, code, reason.replace("\0", "")
    made.identity = made.request = None
    made.save(force_insert=True)


def _pending(job: Import) -> dict[UUID, UUID]:
    """Rows whose photos wait, from a run that was broken off. A photo whose request is gone is handed in again."""
    rows = job.rows.filter(status=ImportRow.Status.PENDING)
    rows.filter(request=None).delete()
    return dict(rows.values_list("pk", "request_id"))


def _collect(job: Import, waiting: dict[UUID, UUID]) -> None:
    """Writes down what became of finished photos, and deletes their requests: the row says all there is to say."""
    finished = RecognitionRequest.objects.filter(pk__in=waiting.values(), status__in=[Status.DONE, Status.FAILED])
    by_request = {request.pk: request for request in finished.only("status", "error_code", "error_message")}
    ended = {row: request for row, request in waiting.items() if request in by_request}
    with transaction.atomic():
        for row in ImportRow.objects.filter(pk__in=ended):
            request = by_request[ended[row.pk]]
            row.status, row.code, row.reason = _outcome(request)
            row.save(update_fields=["status", "code", "reason"])
            _count(job, row.status)
        RecognitionRequest.objects.filter(pk__in=ended.values()).delete()
    for row in ended:
        del waiting[row]


def _outcome(request: RecognitionRequest) -> tuple[str, str, str]:
    if request.status == Status.DONE:
        return ImportRow.Status.ENROLLED, "", ""
    status = ImportRow.Status.SKIPPED if request.error_code == "duplicate_photo" else ImportRow.Status.REFUSED
    return status, request.error_code, request.error_message


def _count(job: Import, status: str) -> None:
    if status != ImportRow.Status.PENDING:
        Import.objects.filter(pk=job.pk).update(**{status: F(status) + 1})


def _take(job_id: UUID, runner: UUID) -> bool:
    free = Import.objects.free().filter(pk=job_id)
    return bool(free.update(status=Import.Status.RUNNING, runner=runner, lease_expires_at=Now() + LEASE))


def _keep(job: Import, runner: UUID) -> bool:
    mine = Import.objects.filter(pk=job.pk, runner=runner)
    return bool(mine.update(lease_expires_at=Now() + LEASE))


@transaction.atomic
def _end(job: Import, runner: UUID, status: str, message: str = "") -> None:
    """Ends the run, if it is still ours. A finished import's upload goes."""
    fields = {"status": status, "error_message": message, "runner": None, "lease_expires_at": None}
    if not Import.objects.filter(pk=job.pk, runner=runner).update(finished_at=timezone.now(), **fields):
        return
    job.refresh_from_db(fields=["enrolled", "skipped", "refused"])
    if status == Import.Status.DONE:
        job.pieces.all().delete()
    if job.enrolled >= ANALYZE_FROM:
        with connection.cursor() as cursor:
            analyze(cursor)
    details = {"status": str(status), "enrolled": job.enrolled, "skipped": job.skipped, "refused": job.refused}
    try:
        actor = _actor_of(job)
    except NotAllowed:
        actor = system_actor()
    audit.record(actor=actor, action="import.ended", gallery=job.gallery, target=job, details=details)


def _actor_of(job: Import) -> Actor:
    """Who asked. Raises NotAllowed where the account is gone."""
    key = job.requested_as["api_key"]
    api_key = ApiKey.objects.filter(pk=key).first() if key else None
    return Actor.from_record(job.requested_by, job.requested_as, api_key)
