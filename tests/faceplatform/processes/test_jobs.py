"""Background jobs: queues that do not block each other, jobs of earlier versions, failures, and finished jobs."""

import signal
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from job_queue import jobs, run_waiting_jobs
from other_process import start_elsewhere
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from faceplatform.processes.jobs import (
    DELIVERIES,
    EARLIER,
    IMPORTS,
    LEASES,
    LOST_AFTER,
    LOST_MOST,
    MAINTENANCE,
    REPORTS,
    SLOTS,
    adopt_earlier,
    defer_once,
    delete_finished,
    latest_failures,
    requeue_lost,
)
from faceplatform.processes.tasks import requeue_lost_jobs
from recognition.alerts import delivery, mailing
from recognition.imports.querysets import LEASE as OF_IMPORTS
from recognition.reports.models import LEASE as OF_REPORTS
from recognition.sightings.tasks import refresh_unknowns

# Imports that never end, as many as there are slots for them and one more; then what they must not hold up.
BUSY = """
import asyncio, threading
from procrastinate.contrib.django import app
from faceplatform.processes import job_worker
blocked, done = threading.Semaphore(0), threading.Event()
stuck = threading.Event()

@app.task(name="tests.block", queue="imports")
def block():
    blocked.release()
    stuck.wait()

@app.task(name="tests.report", queue="reports")
def report():
    blocked.release()
    stuck.wait()

@app.task(name="tests.short", queue="maintenance")
def short():
    done.set()

def check():
    for _ in range(6):
        blocked.acquire()
    short.defer()
    print("ran" if done.wait(60) else "starved", flush=True)
    import os
    os._exit(0)

for _ in range(5):
    block.defer()
for _ in range(3):
    report.defer()
threading.Thread(target=check, daemon=True).start()
from django.core.management import call_command
call_command("job_worker")
"""

# A job that takes as long as it likes, in a worker that will be killed.
HANGS = """
import threading
from recognition.sightings import tasks

def hang(*args):
    print("began", flush=True)
    threading.Event().wait()

tasks.UUID = hang
tasks.refresh_unknowns.configure(queueing_lock="again").defer(unknowns=["01a21ed5-4909-72e0-8801-9a8144c020f1"])
from django.core.management import call_command
call_command("job_worker")
"""


def queue(task: str, queue_name: str, status: str = "todo", *, days: int = 0, attempts: int = 0) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, attempts) VALUES (%s, %s, %s) RETURNING id",
            [queue_name, task, attempts],
        )
        [number] = cursor.fetchone()
        cursor.execute("UPDATE procrastinate_jobs SET status = %s WHERE id = %s", [status, number])
        cursor.execute(
            "UPDATE procrastinate_events SET at = now() - %s WHERE job_id = %s", [timedelta(days=days), number]
        )
    return number


def lose(number: int, heartbeat: timedelta | None = None, lock: str | None = None) -> None:
    """As if it were being done by a worker that is gone, or whose last sign of life is so old."""
    with connection.cursor() as cursor:
        worker = None
        if heartbeat is not None:
            cursor.execute(
                "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s) RETURNING id", [heartbeat]
            )
            [worker] = cursor.fetchone()
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s, queueing_lock = %s WHERE id = %s",
            [worker, lock, number],
        )


def left() -> list[int]:
    return list(ProcrastinateJob.objects.order_by("id").values_list("id", flat=True))


def test_every_job_of_ours_has_a_queue_that_the_job_worker_serves():
    served = {name for names in SLOTS for name in names}
    ours = {task.name: task.queue for task in app.tasks.values() if not task.name.startswith("builtin")}
    assert ours and set(ours.values()) <= served - {EARLIER, "builtin"} and EARLIER in served


@pytest.mark.django_db(transaction=True)
def test_long_jobs_leave_maintenance_its_slots(tmp_path):
    process = start_elsewhere(BUSY, tmp_path)
    said, _ = process.communicate(timeout=120)
    assert said.strip() == "ran"


@pytest.mark.django_db(transaction=True)
def test_the_job_worker_ends_when_it_is_told_to(tmp_path):
    code = "print('up', flush=True)\nfrom django.core.management import call_command\ncall_command('job_worker')"
    process = start_elsewhere(code, tmp_path)
    assert process.stdout.readline() == "up\n"
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT count(*) FROM procrastinate_workers")
            if cursor.fetchone() == (len(SLOTS),):
                break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_workers")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db(transaction=True)
def test_jobs_that_an_earlier_version_queued_still_run():
    queue("recognition.tasks.resume_imports", EARLIER)
    queue("accounts.audit.tasks.seal_audit", EARLIER)
    run_waiting_jobs()
    ran = jobs(task_name__in=["recognition.tasks.resume_imports", "accounts.audit.tasks.seal_audit"])
    assert ran[:2] == [("resume_imports", MAINTENANCE, "succeeded"), ("seal_audit", MAINTENANCE, "succeeded")]


@pytest.mark.django_db
def test_only_waiting_jobs_of_the_earlier_queue_are_moved():
    queue("recognition.tasks.import_uploaded", EARLIER)
    queue("recognition.imports.tasks.import_uploaded", EARLIER, "doing")
    queue("recognition.tasks.compute_health", EARLIER)
    queue("somebody.elses", EARLIER)
    assert adopt_earlier(app.tasks) == 2
    assert [queue_name for _, queue_name, _ in jobs()] == [IMPORTS, EARLIER, REPORTS, EARLIER]


@pytest.mark.django_db
@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_finished_jobs_are_deleted_in_their_time(monkeypatch, batch):
    monkeypatch.setattr("faceplatform.processes.jobs.BATCH", batch)
    kept = [
        queue("a", MAINTENANCE, "succeeded"),
        queue("a", MAINTENANCE, "todo", days=90),
        queue("a", MAINTENANCE, "failed", days=29),
    ]
    queue("a", MAINTENANCE, "succeeded", days=2)
    queue("a", MAINTENANCE, "failed", days=31)
    queue("a", MAINTENANCE, "cancelled", days=31)
    queue("a", MAINTENANCE, "doing", days=31)  # its worker died a month ago
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
        [worker] = cursor.fetchone()
        running = queue("a", IMPORTS, "doing", days=31)
        cursor.execute("UPDATE procrastinate_jobs SET worker_id = %s WHERE id = %s", [worker, running])
    assert delete_finished() == 4
    assert left() == [*kept, running]


@pytest.mark.django_db
def test_a_job_that_is_the_last_of_its_kind_can_be_deleted():
    """A periodic job's time points to the job."""
    number = queue("a", MAINTENANCE, "succeeded", days=2)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_periodic_defers (task_name, defer_timestamp, job_id) VALUES ('a', 0, %s)",
            [number],
        )
    assert delete_finished() == 1


@pytest.mark.django_db
def test_jobs_that_were_lost_with_their_worker_are_queued_again():
    lose(gone := queue("gone", REPORTS))
    lose(frozen := queue("frozen", MAINTENANCE), 2 * LOST_AFTER)
    lose(mail := queue("mail", DELIVERIES))
    lose(at_work := queue("at work", REPORTS), timedelta(seconds=5))
    assert requeue_lost() == {"gone": 1, "frozen": 1, "mail": 1}
    assert requeue_lost() == {}
    rows = {row.pk: row for row in ProcrastinateJob.objects.all()}
    assert [rows[number].status for number in (gone, frozen, mail, at_work)] == ["todo", "todo", "todo", "doing"]
    assert rows[gone].scheduled_at - rows[mail].scheduled_at == LEASES
    assert rows[frozen].attempts == 1 and rows[at_work].attempts == 0


def test_a_lost_job_begins_when_no_lease_of_it_is_left():
    assert max(OF_IMPORTS, OF_REPORTS, delivery.LEASE, mailing.LEASE) <= LEASES


@pytest.mark.django_db
def test_a_lost_job_is_not_queued_beside_its_like_nor_for_ever():
    waiting, lost, other, deadly = (queue(name, REPORTS) for name in ("same", "same", "twice", "deadly"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET queueing_lock = 'same' WHERE id = %s", [waiting])
        cursor.execute("UPDATE procrastinate_jobs SET attempts = %s WHERE id = %s", [LOST_MOST, deadly])
    lose(lost, lock="same")
    lose(other, lock="twice")
    lose(twin := queue("twice", REPORTS), lock="twice")
    lose(deadly)
    assert requeue_lost() == {"twice": 1}
    assert requeue_lost() == {}
    status = dict(ProcrastinateJob.objects.values_list("id", "status"))
    assert status == {waiting: "todo", lost: "aborted", other: "todo", twin: "aborted", deadly: "failed"}


@pytest.mark.django_db(transaction=True)
def test_what_a_killed_job_worker_was_doing_is_done_by_the_next(tmp_path):
    process = start_elsewhere(HANGS, tmp_path)
    assert process.stdout.readline() == "began\n"
    process.kill()
    process.communicate()
    with connection.cursor() as cursor:  # a minute later
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - %s", [2 * LOST_AFTER])
    requeue_lost_jobs()
    [job] = ProcrastinateJob.objects.filter(task_name=refresh_unknowns.name)
    assert job.status == "todo" and job.scheduled_at > timezone.now()
    run_waiting_jobs()
    assert jobs(task_name=refresh_unknowns.name) == [("refresh_unknowns", MAINTENANCE, "todo")], "a lease may be left"
    defer_once(refresh_unknowns, "again", unknowns=[])
    run_waiting_jobs()
    assert jobs(task_name=refresh_unknowns.name) == [("refresh_unknowns", MAINTENANCE, "succeeded")], "asked for, now"


@pytest.mark.django_db
def test_failures_are_listed():
    queue("recognition.privacy.tasks.clean", MAINTENANCE, "failed", attempts=4)
    queue("a", MAINTENANCE, "succeeded", attempts=1)
    again = queue("recognition.privacy.tasks.clean_gallery", MAINTENANCE, attempts=1)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 minute' WHERE id = %s", [again]
        )
    retried, given_up = latest_failures()
    assert (retried.name, retried.attempts, retried.next_try is None) == ("clean_gallery", 1, False)
    assert (given_up.name, given_up.attempts, given_up.next_try) == ("clean", 4, None)
