"""Runs the background jobs that wait, as the job worker does."""

from django.core.management import call_command
from procrastinate.contrib.django.models import ProcrastinateJob


def run_waiting_jobs() -> None:
    """Runs all jobs that are due. Needs a test with real transactions."""
    call_command("job_worker", "--once")


def jobs(**lookup) -> list[tuple[str, str, str]]:
    """Short name, queue and status of the jobs, in the order in which they were queued."""
    rows = ProcrastinateJob.objects.filter(**lookup).order_by("id")
    return [(row.task_name.rpartition(".")[2], row.queue_name, row.status) for row in rows]
