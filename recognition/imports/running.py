"""Running an import: queueing its photos and recording the result of each.

Up to IN_FLIGHT photos are in the queue at a time, at low priority, and any worker may do them. The result of each photo is
an ImportRow, so an interrupted run continues where it stopped, and photos that were already queued are not queued again.
Rows are submitted and collected in blocks, one transaction per block: one by one, the statements would cost as much as the
face recognition.

A thread keeps the lease for as long as the process lives. If the process was suspended and another one took the import over,
the next block it would write is rolled back: each block ends with an update that only the holder can make.
"""

import hashlib
import io
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uuid6
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit
from accounts.actor import Actor, system_actor
from faceplatform.errors import DomainError, InvalidInput, NotAllowed, Unavailable
from gallery.models import FaceSample, Gallery, Identity
from gallery.search.indexing import analyze
from gallery.services import create_identity
from recognition.imports.models import Import, ImportRow
from recognition.imports.querysets import LEASE
from recognition.imports.requester import requester_of
from recognition.imports.sources import UNREADABLE, FileSource, Source, SourceLost, SourceRow
from recognition.imports.upload import StoredUpload
from recognition.photos import queue
from recognition.photos.faults import SERVER, is_servers
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.services import Photo, submit_enrolments

logger = logging.getLogger(__name__)
IN_FLIGHT = 96  # photos in the queue at a time
BLOCK = 32  # rows submitted and collected together
BLOCK_BYTES = 32 * 1024 * 1024
ANALYZE_FROM = 1_000  # new samples after which the planner needs new statistics
SERVER_FAULTS = (
    "{count} of the photos could not be processed for a fault of the server. Tell your operator, then resume the import: "
    "it does them again."
)
POLL_INTERVAL, POLL_TIMEOUT = 0.1, 1.0  # seconds, while workers do a block

Work = Callable[[list[UUID]], object]
Progress = Callable[[Import], object]


class Interrupted(Exception):
    """The process that runs the import has been told to end."""


class TakenOver(Exception):
    """The import is not ours any more: another process runs it, or it has been deleted."""


# --- The run ----------------------------------------------------------------------------------------------------------
def run_import(
    job_id: UUID,
    *,
    work: Work,
    source: Source | None = None,
    progress: Progress = lambda job: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Import | None:
    """Runs an import until it ends or is stopped. Returns it as it is then; None if another process runs it or took it over.

    work: called with the ids of the queued requests; does some of them or waits until some are done. source: what to read;
    the stored upload by default. progress: called after each round. interrupted: returns True if this process has to end;
    the import is then queued for another one. Any unexpected exception marks the import as failed and is raised again.
    """
    runner = uuid6.uuid7()
    if not _claim(job_id, runner):
        return None
    job = Import.objects.select_related("gallery", "requested_by").get(pk=job_id)
    try:
        with _lease_kept(job, runner):
            requester_of(job)
            source = source or _open_upload(job)
            if job.total is None:
                Import.objects.filter(pk=job.pk).update(total=source.count())
            _forget_server_faults(job)
            at_end = _run(job, runner, source, work, progress, interrupted)
    except Interrupted:
        fields = {"status": Import.Status.QUEUED, "runner": None, "lease_expires_at": None}
        Import.objects.filter(pk=job.pk, runner=runner).update(**fields)
    except (InvalidInput, NotAllowed, Unavailable) as error:
        _finish(job, runner, Import.Status.FAILED, error.message)
    except SourceLost as error:
        _finish(job, runner, Import.Status.FAILED, str(error))
    except KeyboardInterrupt:
        _finish(job, runner, Import.Status.STOPPED)
        raise
    except Exception as error:
        message = f"The import failed unexpectedly ({type(error).__name__}). Resume it to try again."
        if not _finish(job, runner, Import.Status.FAILED, message):
            logger.warning("this process lost the import %s to another one, or it was deleted: %s", job.pk, error)
            return None
        raise
    else:
        _end(job, runner, at_end)
    return Import.objects.filter(pk=job_id).first()


def _open_upload(job: Import) -> Source:
    """Raises InvalidInput if it cannot be used; then it is deleted, as no later run could use it either."""
    try:
        source = FileSource(io.BufferedReader(StoredUpload(job), 256 * 1024))
        if job.total is None and not source.count():
            raise InvalidInput("The ZIP has no photos. It needs a folder per person, or a CSV next to the photos.")
    except InvalidInput:
        with transaction.atomic():
            Import.objects.filter(pk=job.pk).update(size=0)
            job.pieces.all().delete()
        raise
    return source


def _forget_server_faults(job: Import) -> None:
    """Lets the photos that failed for a fault of the server be done again: as if they had not been read yet."""
    with transaction.atomic():
        forgotten, _ = _server_faults(job).delete()
        Import.objects.filter(pk=job.pk).update(refused=F("refused") - forgotten)


def _server_faults(job: Import) -> QuerySet[ImportRow]:
    return job.rows.filter(status=ImportRow.Status.REFUSED, code__in=SERVER)


def _end(job: Import, runner: UUID, at_end: bool) -> None:
    """Ends a run that nothing interrupted. With photos to do again it is not done, so that its source is kept."""
    if not at_end:
        _finish(job, runner, Import.Status.STOPPED)
    elif count := _server_faults(job).count():
        _finish(job, runner, Import.Status.FAILED, SERVER_FAULTS.format(count=count))
    else:
        _finish(job, runner, Import.Status.DONE)


def wait_for_workers(requests: list[UUID]) -> None:
    """The `work` for a process without an engine: returns when a block of `requests` is finished, or after POLL_TIMEOUT."""
    unfinished = RecognitionRequest.objects.filter(pk__in=requests, status__in=["queued", "running"])
    deadline = time.monotonic() + POLL_TIMEOUT
    with queue.hub.subscription(queue.FINISHED) as subscription:
        while unfinished.count() > max(len(requests) - BLOCK, 0) and (left := deadline - time.monotonic()) > 0:
            connection.close()
            subscription.wait(left)
            time.sleep(POLL_INTERVAL)


def _run(
    job: Import, runner: UUID, source: Source, work: Work, progress: Progress, interrupted: Callable[[], bool]
) -> bool:
    """Submits blocks while there is room in the queue, and otherwise waits for results.

    Returns whether the end of the source was reached. Raises Interrupted, TakenOver; photos of the import may still be queued.
    """
    handled = set(job.rows.values_list("path", flat=True))
    remaining = (row for row in source.rows() if row.path not in handled)
    waiting = _pending(job)
    more, stop = True, False
    while more or waiting:
        if interrupted():
            raise Interrupted
        stop = _stop_requested(job, runner)
        more = more and not stop
        if more and len(waiting) < IN_FLIGHT:
            more = _submit_block(job, runner, remaining, waiting)
        elif waiting:
            work(list(waiting.values()))
            _collect(job, runner, waiting)
        progress(job)
    return not stop


@dataclass(slots=True)
class Item:
    """A row of the source and its future ImportRow. data: the photo, empty if it could not be read. digest: its SHA-256."""

    source: SourceRow
    row: ImportRow
    data: bytes = b""
    digest: str = ""

    def refuse(self, code: str, reason: str) -> None:
        self.row.status, self.row.code, self.row.reason = ImportRow.Status.REFUSED, code, reason.replace("\0", "")

    @property
    def refused(self) -> bool:
        return self.row.status == ImportRow.Status.REFUSED


def _submit_block(job: Import, runner: UUID, remaining: Iterator[SourceRow], waiting: dict[UUID, UUID]) -> bool:
    """Submits the next rows. Returns whether there may be more. Raises SourceLost, but only after submitting what was read."""
    block, lost = _read_block(job, remaining, min(BLOCK, IN_FLIGHT - len(waiting)))
    if block:
        waiting |= _submit(job, runner, block)
    if lost:
        raise lost
    return bool(block)


def _read_block(job: Import, remaining: Iterator[SourceRow], limit: int) -> tuple[list[Item], SourceLost | None]:
    """Reads up to `limit` photos or BLOCK_BYTES. If the source is lost, returns those read so far and the error."""
    items: list[Item] = []
    try:
        while len(items) < limit and sum(len(item.data) for item in items) < BLOCK_BYTES:
            if (source := next(remaining, None)) is None:
                break
            item = Item(source, ImportRow(job=job, path=source.path, name=source.name, key=source.key))
            _read(item)
            items.append(item)
    except SourceLost as lost:
        return items, lost
    return items, None


def _read(item: Item) -> None:
    try:
        item.data = item.source.read()
        item.digest = hashlib.sha256(item.data).hexdigest()
        if not item.source.name:
            raise InvalidInput("This row has no name.", code="name_missing")
    except DomainError as error:
        item.refuse(error.code, error.message)
    except UNREADABLE as error:
        item.refuse("unreadable", f"The photo cannot be read: {error}")


@transaction.atomic
def _submit(job: Import, runner: UUID, block: Sequence[Item]) -> dict[UUID, UUID]:
    """Saves the rows, with a request for each photo or the reason why there is none. Returns row id → request id."""
    actor = requester_of(job)
    _find_people(job, actor, [item for item in block if not item.refused])
    _skip_known(job.gallery, [item for item in block if not item.refused])
    new = [(item, identity) for item in block if not item.row.status and (identity := item.row.identity)]
    requests = submit_enrolments(
        actor=actor,
        gallery=job.gallery,
        photos=[(identity, Photo(item.source.photo_name, item.data)) for item, identity in new],
        quality_gate=job.quality_gate,
    )
    for (item, _), request in zip(new, requests, strict=True):
        item.row.request, item.row.status = request, ImportRow.Status.PENDING
    ImportRow.objects.bulk_create(item.row for item in block)
    _count(job, runner, (item.row for item in block))
    return {item.row.pk: request.pk for (item, _), request in zip(new, requests, strict=True)}


def _find_people(job: Import, actor: Actor, items: Sequence[Item]) -> None:
    """Sets each row's person: found by the external id, even if merged into somebody else since, or else created."""
    keys = {item.row.key for item in items}
    rows = Identity.with_deleted.select_related("merged_into").filter(gallery=job.gallery, external_id__in=keys)
    known: dict[str, Identity] = {}
    for row in rows.order_by(F("deleted_at").desc(nulls_first=True)):
        if current := row.current:
            known.setdefault(row.external_id, current)
    for item in items:
        try:
            if item.row.key not in known:
                known[item.row.key] = create_identity(
                    actor=actor,
                    gallery=job.gallery,
                    name=item.source.name,
                    external_id=item.row.key,
                    **item.source.fields,
                )
        except DomainError as error:
            item.refuse(error.code, error.message)
        else:
            item.row.identity = known[item.row.key]
            item.row.identity.gallery = job.gallery  # saves a query for each


def _skip_known(gallery: Gallery, items: Sequence[Item]) -> None:
    """Marks the photos that are already enrolled in the gallery."""
    digests = {item.digest for item in items}
    enrolled = FaceSample.objects.filter(gallery=gallery, photo_sha256__in=digests, rejected=False)
    names = dict(enrolled.values_list("photo_sha256", "identity__name"))
    for item in items:
        if item.digest in names:
            item.row.status, item.row.code = ImportRow.Status.SKIPPED, "duplicate_photo"
            item.row.reason = f"This photo is already enrolled for {names[item.digest]}."


def _pending(job: Import) -> dict[UUID, UUID]:
    """Row id → request id of photos that an interrupted run left in the queue. If a request is gone, so is its row: the
    photo is submitted again."""
    rows = job.rows.filter(status=ImportRow.Status.PENDING)
    rows.filter(request=None).delete()
    return dict(rows.values_list("pk", "request_id"))


def _collect(job: Import, runner: UUID, waiting: dict[UUID, UUID]) -> None:
    """Records the results of finished photos and deletes their requests: the row holds all that is needed."""
    finished = RecognitionRequest.objects.filter(pk__in=waiting.values(), status__in=[Status.DONE, Status.FAILED])
    by_request = {request.pk: request for request in finished.only("status", "error_code", "error_message")}
    finished_rows = {row: request for row, request in waiting.items() if request in by_request}
    if not finished_rows:
        return
    with transaction.atomic():
        rows = list(ImportRow.objects.filter(pk__in=finished_rows))
        for row in rows:
            row.status, row.code, row.reason = _outcome(by_request[finished_rows[row.pk]])
        ImportRow.objects.bulk_update(rows, ["status", "code", "reason"])
        RecognitionRequest.objects.filter(pk__in=finished_rows.values()).delete()
        _count(job, runner, rows)
    for row_id in finished_rows:
        del waiting[row_id]


def _outcome(request: RecognitionRequest) -> tuple[str, str, str]:
    if request.status == Status.DONE:
        return ImportRow.Status.ENROLLED, "", ""
    status = ImportRow.Status.SKIPPED if request.error_code == "duplicate_photo" else ImportRow.Status.REFUSED
    code = request.error_code
    if is_servers(code) and code not in SERVER:
        code = "error"  # not one that anybody knows: done again all the same
    return status, code, request.error_message


def _count(job: Import, runner: UUID, rows: Iterable[ImportRow]) -> None:
    """Adds the rows that have a final status to the job's counts. The last act of a block's transaction: raises TakenOver."""
    counts = Counter(row.status for row in rows if row.status != ImportRow.Status.PENDING)
    if not _extend_lease(job, runner, **{status: F(status) + count for status, count in counts.items()}):
        raise TakenOver


# --- The lease --------------------------------------------------------------------------------------------------------
def _claim(job_id: UUID, runner: UUID) -> bool:
    claimable = Import.objects.claimable().filter(pk=job_id)
    return bool(claimable.update(status=Import.Status.RUNNING, runner=runner, lease_expires_at=Now() + LEASE))


@contextmanager
def _lease_kept(job: Import, runner: UUID) -> Iterator[None]:
    """Keeps the lease while the block runs, however long a photo takes to read or rows are only skipped."""
    ended = threading.Event()
    beat = threading.Thread(target=_heartbeat, args=(job, runner, ended), name="import-lease", daemon=True)
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join()


def _heartbeat(job: Import, runner: UUID, ended: threading.Event) -> None:
    while not ended.wait(LEASE.total_seconds() / 3):
        try:
            _extend_lease(job, runner)
        except (OperationalError, InterfaceError) as error:
            logger.warning("the lease of the import %s could not be extended: %s", job.pk, error)
        finally:
            connection.close()


def _extend_lease(job: Import, runner: UUID, **changes: Any) -> bool:
    """Extends the lease and makes the changes. Returns whether the import is still ours; if not, nothing is changed."""
    ours = Import.objects.filter(pk=job.pk, runner=runner)
    return bool(ours.update(lease_expires_at=Now() + LEASE, **changes))


def _stop_requested(job: Import, runner: UUID) -> bool:
    stop = Import.objects.filter(pk=job.pk, runner=runner).values_list("stop_requested", flat=True).first()
    if stop is None:
        raise TakenOver
    return stop


@transaction.atomic
def _finish(job: Import, runner: UUID, status: str, message: str = "") -> bool:
    """Ends the run if it is still ours; returns whether it was. Once the import is done, its upload is deleted."""
    fields = {"status": status, "error_message": message, "runner": None, "lease_expires_at": None}
    if not Import.objects.filter(pk=job.pk, runner=runner).update(finished_at=timezone.now(), **fields):
        return False
    job.refresh_from_db(fields=["enrolled", "skipped", "refused"])
    if status == Import.Status.DONE:
        job.pieces.all().delete()
    if job.enrolled >= ANALYZE_FROM:
        with connection.cursor() as cursor:
            analyze(cursor)
    details = {"status": str(status), "enrolled": job.enrolled, "skipped": job.skipped, "refused": job.refused}
    try:
        actor = requester_of(job)
    except NotAllowed:
        actor = system_actor()
    audit.record(actor=actor, action="import.ended", gallery=job.gallery, target=job, details=details)
    return True
