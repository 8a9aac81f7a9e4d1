"""Results of model packs on verification sets."""

import uuid6
from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from recognition.evaluations.querysets import EvaluationQuerySet
from recognition.lab.evaluation.figures import is_open_set


class Evaluation(models.Model):
    """A pack's figures on a set, as `manage.py evaluate` measured them. The set itself is not kept.

    pack_sha256: of the pack's files, because another pack may be installed under the same name. numbers:
    as_dict of VerificationResult or OpenSetResult, without the curves ("roc", "histogram", "det") and the failures, of which
    the first thousand are kept.
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
        """as_dict of the result put together again, with the failures that were kept."""
        return {**self.numbers, **self.curves, "failures": self.failures}

    @property
    def tar_at_1e_3(self) -> float | None:
        """TAR at a FAR of 0.001; None if there were too few pairs, or people instead of pairs."""
        return next((point["tar"] for point in self.numbers.get("tar_at_far", []) if point["far"] == 1e-3), None)

    @property
    def open_set(self) -> dict | None:
        """Of searches with strangers, as the platform compares: people, faces, rank1 and at_fpir; None for pairs."""
        if not is_open_set(self.numbers):
            return None
        today = self.numbers["policies"][0]
        return {
            **{name: self.numbers[name] for name in ("people", "faces")},
            "rank1": today["rank1"],
            "at_fpir": today["at_fpir"],
        }

    @property
    def fnir_at_1e_2(self) -> float | None:
        """FNIR at a FPIR of 0.01; None for pairs, or if there were too few searches."""
        found = self.open_set["at_fpir"] if self.open_set else []
        return next((point["fnir"]["value"] for point in found if point["fpir"] == 1e-2), None)
