"""Queueing background jobs."""

import logging

from django.db import transaction
from procrastinate import exceptions
from procrastinate.tasks import Task

logger = logging.getLogger(__name__)


def defer_once(task: Task, lock: str, **arguments: str) -> None:
    """Queues a job, unless one with the same `lock` is already waiting."""
    try:
        with transaction.atomic():
            task.configure(queueing_lock=lock).defer(**arguments)
    except exceptions.AlreadyEnqueued:
        logger.info("%s is already queued", lock)
