"""The lease of an import: one process runs it, and another one takes over only what is given up.

A thread keeps the lease for as long as the process lives. If the process was suspended and another one took the import over,
the next block it would write is rolled back: each block ends with an update that only the holder can make.
"""

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection
from django.db.models import F
from django.db.models.functions import Now

from faceplatform.database.trouble import described
from recognition.imports.models import Import, ImportRow
from recognition.imports.querysets import LEASE

logger = logging.getLogger(__name__)


class TakenOver(Exception):
    """The import is not ours any more: another process runs it, or it has been deleted."""


def claim(job_id: UUID, runner: UUID) -> bool:
    claimable = Import.objects.claimable().filter(pk=job_id)
    return bool(claimable.update(status=Import.Status.RUNNING, runner=runner, lease_expires_at=Now() + LEASE))


@contextmanager
def kept(job: Import, runner: UUID) -> Iterator[None]:
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
            extend(job, runner)
        except (OperationalError, InterfaceError) as error:
            logger.warning("the lease of the import %s could not be extended: %s", job.pk, described(error))
        finally:
            connection.close()


def extend(job: Import, runner: UUID, **changes: Any) -> bool:
    """Extends the lease and makes the changes. Returns whether the import is still ours; if not, nothing is changed."""
    ours = Import.objects.filter(pk=job.pk, runner=runner)
    return bool(ours.update(lease_expires_at=Now() + LEASE, **changes))


def stop_requested(job: Import, runner: UUID) -> bool:
    stop = Import.objects.filter(pk=job.pk, runner=runner).values_list("stop_requested", flat=True).first()
    if stop is None:
        raise TakenOver
    return stop


def count(job: Import, runner: UUID, rows: Iterable[ImportRow]) -> None:
    """Adds the rows that have a final status to the job's counts. The last act of a block's transaction: raises TakenOver."""
    counts = Counter(row.status for row in rows if row.status != ImportRow.Status.PENDING)
    if not extend(job, runner, **{status: F(status) + count for status, count in counts.items()}):
        raise TakenOver
