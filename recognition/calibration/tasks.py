"""The background job that measures a gallery's error rates."""

from uuid import UUID

from procrastinate.contrib.django import app

from faceplatform.processes.jobs import REPORTS, defer_once
from recognition.calibration.models import CalibrationReport
from recognition.calibration.services import run_calibration


@app.task(queue=REPORTS, pass_context=False, aliases=["recognition.tasks.compute_calibration"])
def compute_calibration(gallery_id: str) -> None:
    """Measures the gallery's own error rates, if a measurement is queued."""
    run_calibration(UUID(gallery_id))


def start(report: CalibrationReport) -> None:
    """Queues the report's job, unless it is queued already."""
    defer_once(compute_calibration, f"calibration-{report.pk}", gallery_id=str(report.pk))
