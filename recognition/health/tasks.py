"""The background job that checks a gallery's health."""

from uuid import UUID

from procrastinate.contrib.django import app

from faceplatform.processes.jobs import REPORTS, defer_once
from recognition.health.models import HealthReport
from recognition.health.services import run_health


@app.task(queue=REPORTS, pass_context=False, aliases=["recognition.tasks.compute_health"])
def compute_health(gallery_id: str) -> None:
    """Checks the gallery, if a check is queued."""
    run_health(UUID(gallery_id))


def start(report: HealthReport) -> None:
    """Queues the report's job, unless it is queued already."""
    defer_once(compute_health, f"health-{report.pk}", gallery_id=str(report.pk))
