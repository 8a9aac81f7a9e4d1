"""Doing an import: handing photos in, and writing down what became of them.

A few dozen photos are in the queue at a time, at low priority; the workers share them. What became of each is an ImportRow,
so a run that was broken off goes on where it was, and photos that were in the queue are not handed in twice. Rows are handed
in and taken back many at a time, a transaction each: one by one, the statements would cost as much as the faces.
"""

import hashlib
import io
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import uuid6
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit
from accounts.actor import Actor, system_actor
from accounts.models import ApiKey
from faceplatform.errors import Conflict, DomainError, InvalidInput, NotAllowed
from gallery.models import FaceSample, Gallery, Identity
from gallery.search.indexing import analyze
from gallery.services import create_identity
from recognition.imports.models import Import, ImportRow
from recognition.imports.sources import UNREADABLE, Rows, Source, SourceLost, SourceRow
from recognition.imports.upload import StoredUpload
from recognition.photos import queue
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.services import Photo, submit_enrolments

logger = logging.getLogger(__name__)
IN_FLIGHT = 96  # photos in the queue at a time
BLOCK = 32  # rows handed in together, and taken back
BLOCK_BYTES = 32 * 1024 * 1024
LEASE = timedelta(seconds=60)
ANALYZE_FROM = 1_000  # new samples
LOOK_EVERY, LOOK_FOR = 0.1, 1.0  # seconds, while a block is done

Work = Callable[[list[UUID]], object]


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


def wait_for_some(requests: list[UUID]) -> None:
    """The `work` of a process that has no engine: others do it. Returns when a block of `requests` is finished, or after
    a second."""
    unfinished = RecognitionRequest.objects.filter(pk__in=requests, status__in=["queued", "running"])
    until = time.monotonic() + LOOK_FOR
    with queue.hub.subscription(queue.FINISHED) as subscription:
        while unfinished.count() > max(len(requests) - BLOCK, 0) and (left := until - time.monotonic()) > 0:
            connection.close()
            subscription.wait(left)
            time.sleep(LOOK_EVERY)


def _run(job: Import, runner: UUID, source: Rows, work: Work, progress, interrupted) -> bool:
    """Whether it came to the end of the source. Raises Interrupted, with photos of the import still in the queue."""
    handled = set(job.rows.values_list("path", flat=True))
    left = (row for row in source.rows() if row.path not in handled)
    waiting = _pending(job)
    while _keep(job, runner):
        if interrupted():
            raise Interrupted
        stop = Import.objects.values_list("stop_requested", flat=True).get(pk=job.pk)
        exhausted = stop or not _fill(job, left, waiting)
        if waiting:
            work(list(waiting.values()))
            _collect(job, waiting)
        progress(job)
        if exhausted and not waiting:
            return not stop
    raise Conflict("The import was taken over by another process.")


@dataclass(slots=True)
class Item:
    """A row of the source with what will be its ImportRow. data: the photo, unless it was refused."""

    source: SourceRow
    row: ImportRow
    data: bytes = b""
    digest: str = ""

    def refuse(self, code: str, reason: str) -> None:
        self.row.status, self.row.code, self.row.reason = ImportRow.Status.REFUSED, code, reason.replace("\0", "")

    @property
    def refused(self) -> bool:
        return self.row.status == ImportRow.Status.REFUSED


def _fill(job: Import, left: Iterator[SourceRow], waiting: dict[UUID, UUID]) -> bool:
    """Hands rows in until IN_FLIGHT wait. Returns whether there may be more. Raises SourceLost, after what could be read."""
    while len(waiting) < IN_FLIGHT:
        block, lost = _block(job, left, min(BLOCK, IN_FLIGHT - len(waiting)))
        if block:
            waiting |= _hand_in(job, block)
        if lost:
            raise lost
        if not block:
            return False
    return True


def _block(job: Import, left: Iterator[SourceRow], most: int) -> tuple[list[Item], SourceLost | None]:
    """Reads so many photos, or as many as are BLOCK_BYTES; fewer where the source is lost."""
    items: list[Item] = []
    try:
        while len(items) < most and sum(len(item.data) for item in items) < BLOCK_BYTES:
            if (source := next(left, None)) is None:
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
            raise InvalidInput("The row has no name.", code="name_missing")
    except DomainError as error:
        item.refuse(error.code, error.message)
    except UNREADABLE as error:
        item.refuse("unreadable", f"The photo cannot be read: {error}")


@transaction.atomic
def _hand_in(job: Import, block: Sequence[Item]) -> dict[UUID, UUID]:
    """Requests for the rows' photos, or why there are none. Returns those that wait: row → request."""
    actor = _actor_of(job)
    _find_people(job, actor, [item for item in block if not item.refused])
    _skip_known(job.gallery, [item for item in block if not item.refused])
    new = [item for item in block if not item.row.status]
    requests = submit_enrolments(
        actor=actor,
        gallery=job.gallery,
        photos=[(item.row.identity, Photo(item.source.photo_name, item.data)) for item in new],
        quality_gate=job.quality_gate,
    )
    for item, request in zip(new, requests, strict=True):
        item.row.request, item.row.status = request, ImportRow.Status.PENDING
    ImportRow.objects.bulk_create(item.row for item in block)
    _count(job, (item.row for item in block))
    return {item.row.pk: item.row.request_id for item in new}


def _find_people(job: Import, actor: Actor, items: Sequence[Item]) -> None:
    """Sets whom the rows mean: known by the external id, also where a curator has merged the person into another since."""
    keys = {item.row.key for item in items}
    rows = Identity.with_deleted.select_related("merged_into").filter(gallery=job.gallery, external_id__in=keys)
    known: dict[str, Identity] = {}
    for found in rows.order_by(F("deleted_at").desc(nulls_first=True)):
        if current := found.current:
            known.setdefault(found.external_id, current)
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
            item.row.identity.gallery = job.gallery  # loaded


def _skip_known(gallery: Gallery, items: Sequence[Item]) -> None:
    """Marks the photos that are enrolled already."""
    there = FaceSample.objects.filter(gallery=gallery, photo_sha256__in={item.digest for item in items}, rejected=False)
    names = dict(there.values_list("photo_sha256", "identity__name"))
    for item in items:
        if item.digest in names:
            item.row.status, item.row.code = ImportRow.Status.SKIPPED, "duplicate_photo"
            item.row.reason = f"This photo is enrolled already, for {names[item.digest]}."


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
    if not ended:
        return
    with transaction.atomic():
        rows = list(ImportRow.objects.filter(pk__in=ended))
        for row in rows:
            row.status, row.code, row.reason = _outcome(by_request[ended[row.pk]])
        ImportRow.objects.bulk_update(rows, ["status", "code", "reason"])
        _count(job, rows)
        RecognitionRequest.objects.filter(pk__in=ended.values()).delete()
    for row in ended:
        del waiting[row]


def _outcome(request: RecognitionRequest) -> tuple[str, str, str]:
    if request.status == Status.DONE:
        return ImportRow.Status.ENROLLED, "", ""
    status = ImportRow.Status.SKIPPED if request.error_code == "duplicate_photo" else ImportRow.Status.REFUSED
    return status, request.error_code, request.error_message


def _count(job: Import, rows: Iterable[ImportRow]) -> None:
    """Adds rows to the job's counts; each that has come to its end is counted once."""
    counts = Counter(row.status for row in rows if row.status != ImportRow.Status.PENDING)
    if counts:
        Import.objects.filter(pk=job.pk).update(**{status: F(status) + count for status, count in counts.items()})


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
