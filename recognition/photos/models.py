"""Requests, the faces found in their photos, and the workers that process them. RecognitionRequest is also the queue."""

from collections.abc import Sequence
from datetime import datetime

import pghistory
import pgtrigger
import uuid6
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy
from pgvector.django import HalfVectorField

from faceplatform.database.names import NameField
from gallery.models import FaceSample, Gallery, Identity
from recognition.photos.querysets import RecognitionRequestQuerySet, RejectionQuerySet, WorkerQuerySet


class Purpose(models.TextChoices):
    RECOGNIZE = "recognize", "Recognise"
    ENROL = "enrol", "Enrol"
    DETECT = "detect", "Detect"
    EMBED = "embed", "Embed"
    COMPARE = "compare", "Compare"
    LIVE = "live", "Recognise live"


# Purposes for which somebody is searched for. Of a live picture no face is kept.
RECOGNITIONS = (Purpose.RECOGNIZE, Purpose.LIVE)
# Purposes whose answer is kept for an hour, and listed nowhere.
PASSING = (Purpose.DETECT, Purpose.EMBED, Purpose.COMPARE, Purpose.LIVE)


class Status(models.TextChoices):
    QUEUED = "queued", gettext_lazy("Queued")
    RUNNING = "running", gettext_lazy("Running")
    DONE = "done", gettext_lazy("Done")
    FAILED = "failed", gettext_lazy("Failed")


class Decision(models.TextChoices):
    KNOWN = "known", gettext_lazy("Known")
    UNKNOWN = "unknown", gettext_lazy("Unknown")
    UNUSABLE = "unusable", gettext_lazy("Unusable")


class Priority(models.IntegerChoices):
    INTERACTIVE = 0, "Somebody waits"
    BULK = 10, "Bulk"


class RecognitionRequest(models.Model):
    """A photo to be recognised, enrolled as a sample of `identity`, or analysed (detect, embed or compare).

        queued ───claim───▶ running ──▶ done
          ▲                   │  └────▶ failed   the photo cannot be used, or MAX_ATTEMPTS are used up
          └──lease expires────┘

    A claim sets claim_token and lease_expires_at and counts an attempt; the worker's heartbeat renews the lease.
    Results are accepted only from the holder of the token. At the end the photo is cleared unless keep_photo.
    options: {"top_k": int, "threshold": float|null, "max_faces": int|null, "min_detection_score": float|null}; an
    enrolment also has "quality_gate": str, "accept_truncated": bool, and "person": {"external_id", "name", …} where there is no
    `identity` yet: one is made with the first face. A person from the pages has their future "id" there, and the ids of all
    requests of their first photos are in "together". A comparison has "reference": {"photo": request id}, {"sample": id} or
    {"identity": id}; the request of the reference photo itself has none.
    timings_ms: {"queued", "decode", "detect", "embed", "search", "total"}. warnings: ["truncated"] if the file ends too early.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    purpose = models.CharField(max_length=10, choices=Purpose.choices, default=Purpose.RECOGNIZE)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.INTERACTIVE)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="recognitions")
    pack = models.CharField(max_length=50)
    options = models.JSONField(default=dict)

    photo = models.BinaryField(null=True)
    photo_name = NameField(max_length=255, blank=True)
    photo_type = models.CharField(max_length=30, blank=True)
    photo_sha256 = models.CharField(max_length=64)
    keep_photo = models.BooleanField(default=False)

    identity = models.ForeignKey(
        Identity, null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Whom to enrol."
    )
    sample = models.ForeignKey(
        FaceSample, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="What was enrolled."
    )

    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    requested_as = models.JSONField(default=dict, help_text="The rest of the actor: name, via, ip, request id, key.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    attempts = models.PositiveSmallIntegerField(default=0)
    claim_token = models.UUIDField(null=True, editable=False)
    claimed_by = models.UUIDField(null=True, editable=False, help_text="The worker that claimed it last.")
    claimed_at = models.DateTimeField(null=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, editable=False)

    finished_at = models.DateTimeField(null=True, editable=False)
    error_code = models.CharField(max_length=50, blank=True)
    error_message = models.TextField(blank=True)
    image_width = models.PositiveIntegerField(null=True)
    image_height = models.PositiveIntegerField(null=True)
    image_rotation = models.PositiveSmallIntegerField(default=0)
    threshold_distance = models.FloatField(null=True)
    threshold_source = models.CharField(max_length=10, blank=True)
    timings_ms = models.JSONField(default=dict)
    warnings = ArrayField(models.CharField(max_length=40), default=list, db_default=[])

    served: bool  # added by with_served()

    objects = RecognitionRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(name="request_status_known", condition=Q(status__in=Status.values)),
            models.CheckConstraint(
                name="request_running_is_claimed",
                condition=Q(status="running", claim_token__isnull=False, lease_expires_at__isnull=False)
                | ~Q(status="running") & Q(claim_token__isnull=True, lease_expires_at__isnull=True),
            ),
            models.CheckConstraint(
                name="request_waiting_has_photo",
                condition=Q(status__in=["done", "failed"]) | Q(photo__isnull=False),
            ),
            models.CheckConstraint(
                name="request_end_has_time",
                condition=Q(status__in=["done", "failed"], finished_at__isnull=False)
                | Q(status__in=["queued", "running"], finished_at__isnull=True),
            ),
            models.CheckConstraint(name="request_failed_has_reason", condition=~Q(status="failed") | ~Q(error_code="")),
            models.CheckConstraint(
                name="request_enrol_has_identity",
                condition=Q(purpose="enrol") & (Q(identity__isnull=False) | Q(options__has_key="person"))
                | ~Q(purpose="enrol") & Q(identity__isnull=True),
            ),
        ]
        indexes = [
            models.Index(fields=["priority", "id"], name="request_queue", condition=Q(status="queued")),
            models.Index(fields=["lease_expires_at"], name="request_leases", condition=Q(status="running")),
            models.Index(fields=["gallery", "-id"], name="request_by_gallery"),
            models.Index(fields=["purpose", "finished_at"], name="request_by_purpose"),
        ]

    def __str__(self):
        return f"{self.get_purpose_display()} {self.photo_name or self.pk}"

    @property
    def photo_size(self) -> tuple[int, int]:
        """Width and height of the photo in px, EXIF orientation applied. Only for a request that has faces."""
        assert self.image_width is not None and self.image_height is not None
        return self.image_width, self.image_height

    @property
    def final_faces(self) -> "Sequence[RecognitionFace] | models.QuerySet[RecognitionFace]":
        """The faces as an answer shows them: none until the request is finished.

        The faces are read after the request itself. So a request that was still running when it was read may have faces
        by now, although this object does not know the size of the photo yet.
        """
        return self.faces.all() if self.finished_at else ()


@pghistory.track(
    pghistory.UpdateEvent(
        row=pghistory.Old, condition=pgtrigger.AnyChange("named_at")
    ),  # corrections and their undo, no more
    model_name="RecognitionFaceHistory",
    fields=["decision", "identity", "named_by", "named_at"],
    obj_field=pghistory.ObjForeignKey(on_delete=models.CASCADE, related_name="history", related_query_name="+"),
)
class RecognitionFace(models.Model):
    """A face found in a photo.

    box: x, y, width, height and landmarks five [x, y], both in px of the photo (EXIF orientation applied).
    decision: null if nobody was searched for, unless the face is unusable. identity: null unless known, or if the person
    has been deleted since. named_by, named_at: the curator who said who it is (corrections.py), which both of these hold
    since. crop: JPEG of the face with a margin, to show beside the sample that matched, and
    crop_landmarks in px of it; both empty for PASSING. vector: the embedding under the request's pack; "not X" needs it.
    liveness: how likely it is a person and no picture, 0–1; null if nobody asked.
    """

    has_crop: bool  # added by with_results()

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    request = models.ForeignKey(RecognitionRequest, on_delete=models.CASCADE, related_name="faces")
    index = models.PositiveSmallIntegerField()
    box = models.JSONField()
    landmarks = models.JSONField()
    detection_score = models.FloatField()
    quality_score = models.FloatField()
    reasons = models.JSONField(default=list)
    crop = models.BinaryField()
    crop_landmarks = models.JSONField(default=list)
    vector = HalfVectorField(null=True)
    decision = models.CharField(max_length=10, choices=Decision.choices, null=True)  # noqa: DJ001 - null: none was asked for
    identity = models.ForeignKey(Identity, null=True, on_delete=models.SET_NULL, related_name="+")
    margin = models.FloatField(null=True, help_text="Distance of the runner-up less that of the nearest.")
    liveness = models.FloatField(null=True)
    named_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    named_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["index"]
        constraints = [
            models.UniqueConstraint(fields=["request", "index"], name="face_index_once"),
            models.CheckConstraint(
                name="face_decision_known",
                condition=Q(decision__isnull=True) | Q(decision__in=Decision.values),
            ),
            models.CheckConstraint(
                name="face_identity_only_if_known", condition=Q(decision="known") | Q(identity__isnull=True)
            ),
            models.CheckConstraint(name="face_margin_range", condition=Q(margin__isnull=True) | Q(margin__gte=0)),
        ]

    def __str__(self):
        return f"Face {self.index} of {self.request_id}"


class Candidate(models.Model):
    """An identity proposed for a face, whatever the decision. rank: 0 for the nearest. score: 0–1, 0.5 at the threshold."""

    sample_deleted_at: datetime | None  # added by with_results()

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    face = models.ForeignKey(RecognitionFace, on_delete=models.CASCADE, related_name="candidates")
    rank = models.PositiveSmallIntegerField()
    identity = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="+")
    sample = models.ForeignKey(FaceSample, null=True, on_delete=models.SET_NULL, related_name="+")
    distance = models.FloatField()
    mean_distance = models.FloatField(null=True, help_text="Over the best samples of the person, three at most.")
    score = models.FloatField()

    class Meta:
        ordering = ["rank"]
        constraints = [
            models.UniqueConstraint(fields=["face", "rank"], name="candidate_rank_once"),
            models.UniqueConstraint(fields=["face", "identity"], name="candidate_identity_once"),
            models.CheckConstraint(name="candidate_range", condition=Q(distance__gte=0, score__range=(0, 1))),
        ]

    def __str__(self):
        return f"{self.identity} at {self.distance:.3f}"


class Rejection(models.Model):
    """ "Not X": a curator said that a face is not the person of `sample`, a rejected sample made from that face."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    face = models.ForeignKey(RecognitionFace, on_delete=models.CASCADE, related_name="rejections")
    sample = models.OneToOneField(FaceSample, on_delete=models.CASCADE, related_name="+")

    objects = RejectionQuerySet.as_manager()

    def __str__(self):
        return f"Face {self.face_id} is not {self.sample.identity_id}"


class Worker(models.Model):
    """A recognition worker process. It is alive while its heartbeat (last_seen_at) is younger than WORKER_ALIVE_FOR.

    id: chosen by its supervisor if it has one, which then knows whose claims to release when the process dies.
    engine: pack → what its nets run on, in which precision and why; see engine/pack_nets.py. packs: those it can run; null
    if it does not say. pack_faults: pack → why it cannot be loaded there.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    host = models.CharField(max_length=255)
    process_id = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    last_seen_at = models.DateTimeField(db_default=Now())
    engine = models.JSONField(default=dict)
    packs = models.JSONField(null=True)
    pack_faults = models.JSONField(default=dict, db_default={})

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering = ["started_at"]

    def __str__(self):
        return f"{self.host}:{self.process_id}"
