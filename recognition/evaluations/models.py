"""Results of model packs on verification sets."""

import uuid6
from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from recognition.evaluations.querysets import EvaluationQuerySet


class Evaluation(models.Model):
    """A pack's figures on a set, as `manage.py evaluate` measured them. The set itself is not kept.

    pack_sha256: of the pack's files, because another pack may be installed under the same name. numbers:
    VerificationResult.as_dict without the curves ("roc", "histogram") and the failures, of which the first thousand are kept.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    pack = models.CharField(max_length=100)
    pack_sha256 = models.CharField(max_length=64)
    set_name = models.CharField(max_length=255)
    set_sha256 = models.CharField(max_length=64)
    numbers = models.JSONField()
    curves = models.JSONField()
    failures = models.JSONField(default=list)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_as = models.CharField(max_length=150, help_text="The name of whoever ran it.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = EvaluationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self):
        return f"{self.pack} on {self.set_name}"

    @property
    def values(self) -> dict:
        """VerificationResult.as_dict put together again, with the failures that were kept."""
        return {**self.numbers, **self.curves, "failures": self.failures}

    @property
    def tar_at_1e_3(self) -> float | None:
        """TAR at a FAR of 0.001; None if there were too few pairs."""
        return next((point["tar"] for point in self.numbers["tar_at_far"] if point["far"] == 1e-3), None)
