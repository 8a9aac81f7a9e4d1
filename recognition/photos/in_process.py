"""Doing queued photos in this process, for commands that must work without a running platform."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from django.conf import settings

from faceplatform import env
from faceplatform.processes.supervisor import Supervisor
from recognition.photos import queue
from recognition.photos.models import RecognitionRequest, Worker
from recognition.photos.worker import RecognitionWorker
from recognition.photos.worker_parts import release_claims, worker_parts

logger = logging.getLogger(__name__)


def work_off(requests: Sequence[RecognitionRequest], *, done: Callable[[int], object] = lambda count: None) -> None:
    """Answers `requests` here, alongside any running workers, until all are finished. `done` hears of each batch."""
    worker = _worker()
    waiting = [request.pk for request in requests]
    with worker.registered(), queue.hub.subscription(queue.FINISHED) as subscription:
        while waiting:
            queue.release_expired()
            if not worker.run_once(only=waiting):
                subscription.wait()
            unfinished = RecognitionRequest.objects.filter(pk__in=waiting, status__in=["queued", "running"])
            left = set(unfinished.values_list("pk", flat=True))
            done(len(waiting) - len(left))
            waiting = [pk for pk in waiting if pk in left]


@contextmanager
def helping() -> Iterator[Callable[[Sequence[UUID]], None]]:
    """Gives a function that answers a batch of the requests it is given, or waits a moment where others have them all."""
    worker = _worker()

    def work(requests: Sequence[UUID]) -> None:
        queue.release_expired()
        if not worker.run_once(only=requests):
            subscription.wait()

    with worker.registered(), queue.hub.subscription(queue.FINISHED) as subscription:
        yield work


@contextmanager
def all_cores() -> Iterator[None]:
    """A worker process for each core but ours as long as the block runs, where no platform's workers run already."""
    count = 0 if Worker.objects.alive().exists() else env.get("FACEPLATFORM_WORKERS") - 1
    supervisor = Supervisor(worker_parts(range(2, count + 2)), say=logger.debug, ended=release_claims)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        yield
    finally:
        supervisor.stop()
        thread.join()


_kept: list[RecognitionWorker] = []


def _worker() -> RecognitionWorker:
    if not _kept:
        _kept.append(RecognitionWorker(settings.MODELS_DIR))
    return _kept[0]
