"""Background jobs: their queues, queueing them, and what became of them.

Each queue has slots of its own, so jobs that take hours do not keep short ones waiting. A job that fails is tried again,
with growing pauses (RETRY), and then remains as failed: the System page shows it. Finished jobs are deleted. Every job may
run twice: one that is lost with its worker is queued again (tasks.py), and a frozen worker may wake and finish.
"""

import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from procrastinate import RetryStrategy, exceptions
from procrastinate.tasks import Task

logger = logging.getLogger(__name__)

MAINTENANCE, REPORTS, IMPORTS = "maintenance", "reports", "imports"
DELIVERIES, BACKUPS = "deliveries", "backups"
EARLIER = "default"  # the one queue of earlier versions
# The queues that share slots, and how many of their jobs one job worker runs at once.
SLOTS = {(MAINTENANCE,): 2, (REPORTS, EARLIER, "builtin"): 2, (IMPORTS,): 4, (DELIVERIES,): 4, (BACKUPS,): 1}

RETRY = RetryStrategy(max_attempts=4, exponential_wait=8)  # after 8 s, 64 s, 9 min and 68 min
SUCCEEDED_KEPT, FAILED_KEPT = timedelta(days=1), timedelta(days=30)
LOST_AFTER = timedelta(seconds=60)  # a living worker gives a sign every ten
LOST_MOST = 10  # tries of a job that is lost again and again
LEASES = timedelta(minutes=3)  # the longest lease that a job takes
BATCH = 1_000  # jobs deleted per transaction
SHOWN = 20

MOVE = """
UPDATE procrastinate_jobs SET queue_name = %(queue)s
WHERE status = 'todo' AND queue_name = %(earlier)s AND task_name = ANY(%(names)s)
"""
# Jobs in the order of their ids, from %(after)s on. A job that is being done by nobody was lost with its worker.
DELETE = """
WITH part AS (
    SELECT job.id, job.status, job.worker_id,
           (SELECT max(at) FROM procrastinate_events event WHERE event.job_id = job.id) AS ended
    FROM procrastinate_jobs job WHERE job.status <> 'todo' AND job.id > %(after)s ORDER BY job.id LIMIT %(batch)s
), deleted AS (
    DELETE FROM procrastinate_jobs job USING part
    WHERE job.id = part.id AND (part.status <> 'doing' OR part.worker_id IS NULL)
      AND part.ended < now() - CASE part.status WHEN 'succeeded' THEN %(succeeded)s ELSE %(failed)s END
    RETURNING job.id
)
SELECT (SELECT max(id) FROM part), (SELECT count(*) FROM deleted)
"""
# Those that a worker which is gone or gives no sign of life was doing, and whether the same one is queued already.
LOST = """
SELECT job.id, job.task_name, job.attempts, EXISTS (
    SELECT FROM procrastinate_jobs other WHERE other.status = 'todo' AND other.queueing_lock = job.queueing_lock
)
FROM procrastinate_jobs job LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id
WHERE job.status = 'doing' AND (worker.id IS NULL OR worker.last_heartbeat < now() - %s)
ORDER BY job.id FOR UPDATE OF job
"""
REQUEUE = """
SELECT procrastinate_retry_job_v2(id, now() + CASE queue_name WHEN %s THEN interval '0' ELSE %s END, NULL, NULL, NULL)
FROM procrastinate_jobs WHERE id = %s
"""
END = "SELECT procrastinate_finish_job_v1(%s, %s, false)"
AT_ONCE = "UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE queueing_lock = %s AND status = 'todo'"
HELD = "SELECT FROM procrastinate_jobs WHERE id = %s AND status = 'doing' AND attempts = %s"
FAILURES = """
SELECT job.id, job.task_name, job.args, job.attempts, job.scheduled_at, job.status = 'todo',
       (SELECT max(at) FROM procrastinate_events event WHERE event.job_id = job.id)
FROM procrastinate_jobs job
WHERE job.status = 'failed' OR job.status = 'todo' AND job.attempts > 0
ORDER BY job.id DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that failed. attempts: how often it was tried. next_try: None if it has been given up."""

    number: int
    name: str
    arguments: dict[str, Any]
    attempts: int
    at: datetime | None
    next_try: datetime | None


def defer_once(task: Task, lock: str, **arguments: str) -> None:
    """Queues a job, unless one with the same `lock` is already waiting; that one then waits no longer."""
    try:
        with transaction.atomic():
            task.configure(queueing_lock=lock).defer(**arguments)
    except exceptions.AlreadyEnqueued:
        logger.info("%s is already queued", lock)
        with connection.cursor() as cursor:
            cursor.execute(AT_ONCE, [lock])


def requeue_lost() -> Counter[str]:
    """Queues the jobs again that were lost with their worker, killed or frozen. Returns how many of which task.

    They begin when the leases of what they were doing have expired; deliveries at once. One that has been tried LOST_MOST
    times ends as failed, as it may be what kills its worker.
    """
    queued = Counter[str]()
    silence: list[Any] = [LOST_AFTER]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOST, silence)
        for number, name, attempts, is_queued in cursor.fetchall():
            if is_queued:
                cursor.execute(END, [number, "aborted"])
            elif attempts >= LOST_MOST:
                cursor.execute(END, [number, "failed"])
            else:
                queued[name] += _requeue(number)
    return queued


def _requeue(number: int) -> bool:
    """False where the same job has been queued in this moment; the next look ends this one."""
    values: list[Any] = [DELIVERIES, LEASES, number]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(REQUEUE, values)
    except IntegrityError:
        return False
    return True


def is_held(job_id: int, attempts: int) -> bool:
    """Whether this attempt of a job still counts: who was frozen finds it given to another."""
    with connection.cursor() as cursor:
        cursor.execute(HELD, [job_id, attempts])
        return cursor.fetchone() is not None


def adopt_earlier(tasks: Mapping[str, Task]) -> int:
    """Moves jobs that an earlier version has queued to the queues of their tasks. Returns how many. tasks: by name and alias."""
    names: dict[str, list[str]] = {}
    for name, task in tasks.items():
        names.setdefault(task.queue, []).append(name)
    moved = 0
    with connection.cursor() as cursor:
        for queue, of_queue in names.items():
            if queue != EARLIER:
                cursor.execute(MOVE, {"queue": queue, "earlier": EARLIER, "names": of_queue})
                moved += cursor.rowcount
    return moved


def delete_finished() -> int:
    """Deletes jobs that ended long ago, BATCH per statement; returns how many."""
    after: int | None = 0
    total = 0
    while after is not None:
        after, deleted = _delete_part(after)
        total += deleted
    return total


def _delete_part(after: int) -> tuple[int | None, int]:
    """Looks at BATCH jobs from `after` on. Returns the last of them, None if there was none, and how many it deleted."""
    values: dict[str, Any] = {"after": after, "batch": BATCH, "succeeded": SUCCEEDED_KEPT, "failed": FAILED_KEPT}
    with connection.cursor() as cursor:
        cursor.execute(DELETE, values)
        return cursor.fetchone()


def latest_failures() -> list[Failure]:
    """The latest jobs that failed, newest first: those given up, and those that will be tried again."""
    with connection.cursor() as cursor:
        cursor.execute(FAILURES, [SHOWN])
        return [
            Failure(number, task.rpartition(".")[2], json.loads(arguments), attempts, at, scheduled if waits else None)
            for number, task, arguments, attempts, scheduled, waits, at in cursor.fetchall()
        ]
