"""Doing queued photos in this process, for commands that must work without a running platform."""

from collections.abc import Callable, Sequence

from django.conf import settings

from recognition import queue
from recognition.models import RecognitionRequest
from recognition.worker import RecognitionWorker


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


_kept: list[RecognitionWorker] = []


def _worker() -> RecognitionWorker:
    if not _kept:
        _kept.append(RecognitionWorker(settings.MODELS_DIR))
    return _kept[0]
