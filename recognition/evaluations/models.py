"""What packs reached on verification sets."""

import uuid6
from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from recognition.evaluations.querysets import EvaluationQuerySet


class Evaluation(models.Model):
    """A pack's figures on a set, as `manage.py evaluate` measured them. The set itself is not kept.

    pack_sha256: of the pack's files, as a pack may be replaced under its name. numbers: VerificationResult.as_dict without
    what lies in curves ("roc", "histogram") and failures (the first thousand).
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
        """All of it, as VerificationResult.as_dict gave it."""
        return {**self.numbers, **self.curves, "failures": self.failures}

    @property
    def tar_at_1e_3(self) -> float | None:
        """What a table shows of TAR at a FAR; None where the pairs were too few."""
        return next((found["tar"] for found in self.numbers["tar_at_far"] if found["far"] == 1e-3), None)
