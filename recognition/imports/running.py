"""Running an import: queueing its photos and recording the result of each.

Up to IN_FLIGHT photos are in the queue at a time, at low priority, and any worker may do them. The result of each photo is
an ImportRow, so an interrupted run continues where it stopped, and photos that were already queued are not queued again.
blocks.py submits and collects rows, lease.py keeps the import ours, ending.py ends the run.
"""

import io
import logging
import time
from collections.abc import Callable
from uuid import UUID

import uuid6
from django.db import connection, transaction
from django.utils.translation import gettext as _

from faceplatform.errors import InvalidInput, NotAllowed, Unavailable
from recognition.imports import blocks, ending, lease
from recognition.imports.models import Import
from recognition.imports.requester import requester_of
from recognition.imports.sources import FileSource, Source, SourceLost
from recognition.imports.upload import StoredUpload
from recognition.photos import queue
from recognition.photos.models import RecognitionRequest

logger = logging.getLogger(__name__)
IN_FLIGHT = 96  # photos in the queue at a time
POLL_INTERVAL, POLL_TIMEOUT = 0.1, 1.0  # seconds, while workers do a block

Work = Callable[[list[UUID]], object]
Progress = Callable[[Import], object]


class Interrupted(Exception):
    """The process that runs the import has been told to end."""


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
    if not lease.claim(job_id, runner):
        return None
    job = Import.objects.select_related("gallery", "requested_by").get(pk=job_id)
    try:
        with lease.kept(job, runner):
            requester_of(job)
            source = source or _open_upload(job)
            if job.total is None:
                Import.objects.filter(pk=job.pk).update(total=source.count())
            ending.forget_server_faults(job)
            at_end = _run(job, runner, source, work, progress, interrupted)
    except Interrupted:
        fields = {"status": Import.Status.QUEUED, "runner": None, "lease_expires_at": None}
        Import.objects.filter(pk=job.pk, runner=runner).update(**fields)
    except (InvalidInput, NotAllowed, Unavailable) as error:
        ending.finish(job, runner, Import.Status.FAILED, error.message)
    except SourceLost as error:
        ending.finish(job, runner, Import.Status.FAILED, str(error))
    except KeyboardInterrupt:
        ending.finish(job, runner, Import.Status.STOPPED)
        raise
    except Exception as error:
        text = _("The import failed unexpectedly (%(error)s). Resume it to try again.")
        message = text % {"error": type(error).__name__}
        if not ending.finish(job, runner, Import.Status.FAILED, message):
            logger.warning("this process lost the import %s to another one, or it was deleted: %s", job.pk, error)
            return None
        raise
    else:
        ending.end(job, runner, at_end)
    return Import.objects.filter(pk=job_id).first()


def _open_upload(job: Import) -> Source:
    """Raises InvalidInput if it cannot be used; then it is deleted, as no later run could use it either."""
    try:
        source = FileSource(io.BufferedReader(StoredUpload(job), 256 * 1024))
        if job.total is None and not source.count():
            raise InvalidInput(_("The ZIP has no photos. It needs a folder per person, or a CSV next to the photos."))
    except InvalidInput:
        with transaction.atomic():
            Import.objects.filter(pk=job.pk).update(size=0)
            job.pieces.all().delete()
        raise
    return source


def wait_for_workers(requests: list[UUID]) -> None:
    """The `work` for a process without an engine: returns when a block of `requests` is finished, or after POLL_TIMEOUT."""
    unfinished = RecognitionRequest.objects.filter(pk__in=requests, status__in=["queued", "running"])
    deadline = time.monotonic() + POLL_TIMEOUT
    with queue.hub.subscription(queue.FINISHED) as subscription:
        while unfinished.count() > max(len(requests) - blocks.BLOCK, 0) and (left := deadline - time.monotonic()) > 0:
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
    waiting = blocks.pending(job)
    more, stop = True, False
    while more or waiting:
        if interrupted():
            raise Interrupted
        stop = lease.stop_requested(job, runner)
        more = more and not stop
        if more and len(waiting) < IN_FLIGHT:
            more = blocks.submit_block(job, runner, remaining, waiting, IN_FLIGHT - len(waiting))
        elif waiting:
            work(list(waiting.values()))
            blocks.collect(job, runner, waiting)
        progress(job)
    return not stop
