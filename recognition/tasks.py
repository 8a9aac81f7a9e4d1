"""Gathers the background jobs of all features, because procrastinate looks for an app's jobs here."""

from recognition.alerts.tasks import deliver, deliver_all_due, notice_absences
from recognition.analysis.tasks import clean_analyses
from recognition.calibration.tasks import compute_calibration
from recognition.health.tasks import compute_health
from recognition.imports.tasks import import_uploaded, resume_imports
from recognition.privacy.tasks import clean, clean_daily, clean_gallery, delete_galleries
from recognition.sightings.tasks import merge_nightly, merge_unknowns, name_after_enrolment, name_unknowns

__all__ = [
    "clean",
    "clean_analyses",
    "clean_daily",
    "clean_gallery",
    "compute_calibration",
    "compute_health",
    "delete_galleries",
    "deliver",
    "deliver_all_due",
    "import_uploaded",
    "merge_nightly",
    "merge_unknowns",
    "name_after_enrolment",
    "name_unknowns",
    "notice_absences",
    "resume_imports",
]
