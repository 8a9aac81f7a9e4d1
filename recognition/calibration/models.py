"""The report of a gallery's own error rates."""

from django.db import models

from recognition.reports.models import GalleryReport


class CalibrationReport(GalleryReport):
    """fpir: the rate requested last; result["fpir"]: the rate the result was measured for. result: {"fpir", "people", "faces",
    "compared": {"people", "faces"}, "pairs": {"genuine", "impostor"}, "searches": {"genuine", "impostor"}, "threshold_1to1",
    "rates": [...], "histogram": {"step", "first", "genuine", "impostor"}, "advice": [...]}; see lab/evaluation/calibration.py.
    """

    fpir = models.FloatField(default=0.01)
    result = models.JSONField(default=dict)

    class Meta(GalleryReport.Meta):
        verbose_name = "calibration"
