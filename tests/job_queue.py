"""Runs the background jobs that wait, as the job worker does."""

from unittest import mock

from django.core.management import call_command
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob


def run_waiting_jobs() -> None:
    """Runs all jobs that are due, and queues none that the clock asks for just now. Needs a test with real transactions."""
    with mock.patch.object(app.periodic_registry, "periodic_tasks", {}):
        call_command("job_worker", "--once")


def jobs(**lookup) -> list[tuple[str, str, str]]:
    """Short name, queue and status of the jobs, in the order in which they were queued."""
    rows = ProcrastinateJob.objects.filter(**lookup).order_by("id")
    return [(row.task_name.rpartition(".")[2], row.queue_name, row.status) for row in rows]
