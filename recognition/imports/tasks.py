"""Background jobs that run imports."""

from uuid import UUID

from procrastinate import JobContext
from procrastinate.contrib.django import app

from faceplatform.processes.jobs import IMPORTS, MAINTENANCE, defer_once
from recognition.imports.models import Import
from recognition.imports.running import run_import, wait_for_workers


@app.task(queue=IMPORTS, pass_context=True, aliases=["recognition.tasks.import_uploaded"])
def import_uploaded(context: JobContext, job_id: str) -> None:
    """Runs an import of an uploaded ZIP. Does nothing if another process is already running it."""
    run_import(UUID(job_id), work=wait_for_workers, interrupted=context.should_abort)


@app.periodic(cron="* * * * *")
@app.task(
    queue=MAINTENANCE, queueing_lock="resume-imports", pass_context=False, aliases=["recognition.tasks.resume_imports"]
)
def resume_imports(timestamp: int = 0) -> None:
    """Restarts imports whose job was killed."""
    for job in Import.objects.claimable().filter(place=""):
        start(job)


def start(job: Import) -> None:
    """Queues the job that runs an uploaded import, unless it is queued already."""
    defer_once(import_uploaded, f"import-{job.pk}", job_id=str(job.pk))
