"""The background job of a gallery's health."""

from uuid import UUID

from procrastinate.contrib.django import app

from faceplatform.processes.jobs import defer_once
from recognition.health.models import HealthReport
from recognition.health.services import run_health


@app.task(pass_context=False, aliases=["recognition.tasks.compute_health"])
def compute_health(gallery_id: str) -> None:
    """Looks a gallery through for what is wrong; nothing where nobody waits for it."""
    run_health(UUID(gallery_id))


def start(report: HealthReport) -> None:
    """Queues the job of a report, once."""
    defer_once(compute_health, f"health-{report.pk}", gallery_id=str(report.pk))
