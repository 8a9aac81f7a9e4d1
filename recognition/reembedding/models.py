"""A gallery's move to another model pack: embedding its faces again, what would change, and the way back."""

import uuid6
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from gallery.models import FaceSample, Gallery, Identity
from recognition.photos.models import Decision, RecognitionFace
from recognition.reembedding.querysets import ReEmbeddingQuerySet


class ReEmbedding(models.Model):
    """Embeds a gallery's faces again under another pack, from their stored crops, in the background.

        running ◀──new faces── ready ──cut over──▶ in_force ──another pack──▶ left
          │ ▲  └────────────────▲
          ▼ └─ started again
        stopped, failed

    Workers do it in parts while no photo is waiting (recognition/reembedding/queue.py). First the samples are embedded, then
    the faces of past recognitions for the preview (`stage`). Even when it is in force, workers still embed any sample that
    lacks its vector.

    restores: set if this is the way back from that re-embedding. It then has no preview, cuts over by itself as soon as no
    sample lacks its vector, and restores the threshold. embedding_id: the net that makes the vectors; see
    Manifest.embedding_id. old_threshold: the gallery's {"source", "distance"} before the cut-over, for the way back.
    preview: see recognition/reembedding/preview.py. cursor, face_cursor: the last sample and face handed out.
    """

    class Status(models.TextChoices):
        RUNNING = "running", _("Being embedded")
        READY = "ready", _("Ready to cut over")
        STOPPED = "stopped", _("Stopped")
        FAILED = "failed", _("Failed")
        IN_FORCE = "in_force", _("In force")
        LEFT = "left", _("Left for another pack")

    class Stage(models.TextChoices):
        SAMPLES = "samples", _("Enrolled faces")
        FACES = "faces", _("Faces of past recognitions")
        SUMMARY = "summary", _("Summary")
        COMPLETE = "complete", _("Complete")

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="reembeddings")
    old_pack = models.CharField(max_length=50)
    old_embedding_id = models.CharField(max_length=64)
    pack = models.CharField(max_length=50)
    embedding_id = models.CharField(max_length=64)
    restores = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.SAMPLES)
    cursor = models.UUIDField(null=True, editable=False)
    face_cursor = models.UUIDField(null=True, editable=False)
    preview = models.JSONField(null=True, editable=False)
    old_threshold = models.JSONField(null=True, editable=False)
    error_message = models.TextField(blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    requested_as = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    cut_over_at = models.DateTimeField(null=True, editable=False)

    objects = ReEmbeddingQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "re-embedding"
        constraints = [
            models.CheckConstraint(
                name="reembedding_status_known",
                condition=Q(status__in=["running", "ready", "stopped", "failed", "in_force", "left"]),
            ),
            models.CheckConstraint(
                name="reembedding_cut_over_remembers",
                condition=~Q(status__in=["in_force", "left"])
                | Q(old_threshold__isnull=False, cut_over_at__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["gallery"], condition=Q(status__in=["running", "ready"]), name="reembedding_one_at_a_time"
            ),
            models.UniqueConstraint(
                fields=["gallery"], condition=Q(status="in_force"), name="reembedding_one_in_force"
            ),
        ]

    def __str__(self):
        return f"{self.old_pack} → {self.pack}"


class ReEmbeddingPart(models.Model):
    """A few samples or faces that a worker embeds together; deleted when done.

    If its `worker` has died or takes far too long, another takes it over, one item at a time: see reembedding/queue.py.
    """

    class Kind(models.TextChoices):
        SAMPLES = "samples", "Enrolled faces"
        FACES = "faces", "Faces of past recognitions"
        SUMMARY = "summary", "Summary of the preview"

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    job = models.ForeignKey(ReEmbedding, on_delete=models.CASCADE, related_name="parts")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    items = ArrayField(models.UUIDField())
    attempts = models.PositiveSmallIntegerField(default=0)
    worker = models.UUIDField(null=True)
    token = models.UUIDField(null=True)
    claimed_at = models.DateTimeField(null=True)

    def __str__(self):
        return f"{len(self.items)} {self.kind} of {self.job}"


class UnembeddedSample(models.Model):
    """A sample that cannot be embedded again, and why. It blocks the cut-over until it is deleted."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    job = models.ForeignKey(ReEmbedding, on_delete=models.CASCADE, related_name="unembedded")
    sample = models.ForeignKey(FaceSample, on_delete=models.CASCADE, related_name="+")
    reason = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "sample"], name="unembedded_sample_once")]

    def __str__(self):
        return f"{self.sample_id}: {self.reason}"


class PreviewedFace(models.Model):
    """A face of a past recognition, and what the pack in force and the new pack decide on it today.

    `change` is empty until a worker has decided it.
    """

    class Change(models.TextChoices):
        NONE = "none", _("Stays")
        TO_UNKNOWN = "known_to_unknown", _("Known becomes unknown")
        TO_KNOWN = "unknown_to_known", _("Unknown becomes known")
        OTHER_PERSON = "other_person", _("Somebody else")
        UNREADABLE = "unreadable", _("Cannot be embedded")

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    job = models.ForeignKey(ReEmbedding, on_delete=models.CASCADE, related_name="faces")
    face = models.ForeignKey(RecognitionFace, on_delete=models.CASCADE, related_name="+")
    change = models.CharField(max_length=20, choices=Change.choices, blank=True)
    before = models.CharField(max_length=10, choices=Decision.choices, blank=True)
    before_identity = models.ForeignKey(Identity, null=True, on_delete=models.SET_NULL, related_name="+")
    before_distance = models.FloatField(null=True)
    after = models.CharField(max_length=10, choices=Decision.choices, blank=True)
    after_identity = models.ForeignKey(Identity, null=True, on_delete=models.SET_NULL, related_name="+")
    after_distance = models.FloatField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["job", "face"], name="previewed_face_once")]
        indexes = [models.Index(fields=["job", "change", "id"], name="previewed_by_change")]

    def __str__(self):
        return f"{self.face}: {self.change or 'waits'}"
