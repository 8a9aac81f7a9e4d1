"""Processing queued photos in this process, for commands that must work without a running platform."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from uuid import UUID

from django.conf import settings

from faceplatform import env
from faceplatform.processes.supervisor import Supervisor
from recognition.photos import queue
from recognition.photos.models import RecognitionRequest, Worker
from recognition.photos.services import raise_if_unserved
from recognition.photos.worker import RecognitionWorker
from recognition.photos.worker_parts import release_claims, worker_parts

logger = logging.getLogger(__name__)


def process_requests(requests: Sequence[RecognitionRequest]) -> None:
    """Processes `requests` here, alongside any running workers, until all are finished.

    Raises Unavailable (pack_not_installed) if nobody can process one of them, and Unfit.
    """
    worker = _worker()
    unfinished = [request.pk for request in requests]
    with worker.registered(), queue.hub.subscription(queue.FINISHED) as subscription:
        while unfinished:
            queue.release_expired()
            if not worker.run_once(only=unfinished):
                _require_served(unfinished)
                subscription.wait()
            rows = RecognitionRequest.objects.filter(pk__in=unfinished, status__in=["queued", "running"])
            left = set(rows.values_list("pk", flat=True))
            unfinished = [pk for pk in unfinished if pk in left]


@contextmanager
def local_worker() -> Iterator[Callable[[Sequence[UUID]], None]]:
    """Yields a function that processes one batch of the requests whose ids it is given.

    If other workers have claimed them all, it waits a moment for these to finish one.
    """
    worker = _worker()

    def work(requests: Sequence[UUID]) -> None:
        queue.release_expired()
        if not worker.run_once(only=requests):
            _require_served(requests)
            subscription.wait()

    with worker.registered(), queue.hub.subscription(queue.FINISHED) as subscription:
        yield work


def _require_served(requests: Sequence[UUID]) -> None:
    """Raises Unavailable (pack_not_installed) if one of them waits for a pack that neither we nor another worker can run."""
    rows = RecognitionRequest.objects.filter(pk__in=requests).defer("photo").with_served()
    for row in rows.filter(served=False)[:1]:
        raise_if_unserved(row)


@contextmanager
def extra_workers() -> Iterator[None]:
    """Starts a worker process for each core but ours while the block runs, unless a platform's workers are running."""
    count = 0 if Worker.objects.alive().exists() else env.get("FACEPLATFORM_WORKERS") - 1
    supervisor = Supervisor(worker_parts(range(2, count + 2)), say=logger.debug, ended=release_claims)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        yield
    finally:
        supervisor.stop()
        thread.join()


@cache
def _worker() -> RecognitionWorker:
    """One for the process, so that a pack is loaded once."""
    return RecognitionWorker(settings.MODELS_DIR)
