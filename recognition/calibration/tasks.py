"""The background job of a gallery's calibration."""

from uuid import UUID

from procrastinate.contrib.django import app

from faceplatform.processes.jobs import defer_once
from recognition.calibration.models import CalibrationReport
from recognition.calibration.services import run_calibration


@app.task(pass_context=False, aliases=["recognition.tasks.compute_calibration"])
def compute_calibration(gallery_id: str) -> None:
    """Measures a gallery's own error rates; nothing where nobody waits for it."""
    run_calibration(UUID(gallery_id))


def start(report: CalibrationReport) -> None:
    """Queues the job of a report, once."""
    defer_once(compute_calibration, f"calibration-{report.pk}", gallery_id=str(report.pk))
