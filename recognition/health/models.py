"""A gallery's health: the report, and its findings."""

import uuid6
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from gallery.models import FaceSample, Gallery, Identity
from recognition.health.querysets import HealthFindingQuerySet
from recognition.reports.models import GalleryReport


class HealthReport(GalleryReport):
    """threshold: the gallery's when it was computed. counts: reason → number of findings, including those not kept."""

    threshold = models.FloatField(null=True)
    people = models.PositiveIntegerField(default=0)
    faces = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict)

    class Meta(GalleryReport.Meta):
        verbose_name = "health"


class HealthFinding(models.Model):
    """Something that looks wrong with a person, or with one of the person's faces; see lab/evaluation/gallery_health.py.

    sample: the face. own_sample, own_distance: the nearest other face of the same person. other, other_sample, distance: the
    person and the face it looks like. found, total: how many of the person's faces are found by searching for them among the
    others; for a duplicate, how many faces of both people match the other's. samples: the faces that belong together, of a
    person who seems to be two. dismissed_at: when a curator marked it as fine; the row stays, so that it is not reported again.
    """

    class Kind(models.TextChoices):
        OUTLIER = "outlier", _("Face that does not fit")
        DUPLICATE = "duplicate", _("Same person twice")
        WEAK = "weak", _("Weak person")

    class Reason(models.TextChoices):
        LOOKS_LIKE_OTHER = "looks_like_other", _("looks like somebody else")
        DENIED = "denied", _("looks like a face that is not this person")
        FAR = "far", _("unlike the person's other faces")
        POOR = "poor", _("poor quality")
        SAME_PERSON = "same_person", _("the same person twice")
        TWO_PEOPLE = "two_people", _("two people under one name")
        NOT_FOUND = "not_found", _("faces do not find each other")
        SINGLE = "single", _("only one face")
        NO_FACE = "no_face", _("no face")

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="health_findings")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    reason = models.CharField(max_length=20, choices=Reason.choices)
    rank = models.FloatField(help_text="Lower: to be looked at first.")
    identity = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="+")
    sample = models.ForeignKey(FaceSample, null=True, on_delete=models.CASCADE, related_name="+")
    own_sample = models.ForeignKey(FaceSample, null=True, on_delete=models.CASCADE, related_name="+")
    other = models.ForeignKey(Identity, null=True, on_delete=models.CASCADE, related_name="+")
    other_sample = models.ForeignKey(FaceSample, null=True, on_delete=models.CASCADE, related_name="+")
    distance = models.FloatField(null=True)
    own_distance = models.FloatField(null=True)
    found = models.PositiveIntegerField(null=True)
    total = models.PositiveIntegerField(null=True)
    samples = ArrayField(models.UUIDField(), default=list)
    found_at = models.DateTimeField(db_default=Now(), editable=False)
    dismissed_at = models.DateTimeField(null=True)
    dismissed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = HealthFindingQuerySet.as_manager()

    class Meta:
        ordering = ["rank", "id"]
        indexes = [models.Index(fields=["gallery", "kind", "rank", "id"], name="finding_by_gallery")]

    def __str__(self):
        return f"{self.identity}: {self.get_reason_display()}"

    @property
    def key(self) -> tuple:
        """What the finding is about: a dismissal also covers later findings with the same key."""
        sample = self.sample_id if self.kind == self.Kind.OUTLIER else None
        about_two = self.reason in (self.Reason.LOOKS_LIKE_OTHER, self.Reason.SAME_PERSON)
        people = {self.identity_id, self.other_id} if about_two else {self.identity_id}
        return self.reason, sample, frozenset(people)
