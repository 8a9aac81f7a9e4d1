"""Imports of many people, the result of each photo, and the uploaded ZIPs they read."""

import uuid6
from django.conf import settings
from django.db import models
from django.db.models import Count, Q
from django.db.models.functions import Now
from django.utils.translation import pgettext_lazy

from gallery.models import Gallery, Identity
from recognition.imports.querysets import ImportQuerySet
from recognition.photos.models import RecognitionRequest


class Import(models.Model):
    """A job that enrols many people. It can be stopped and resumed, and running it again enrols nothing twice.

        queued ──▶ running ──▶ done
          ▲          │  └────▶ failed     the source cannot be read or reached
          └─resume─ stopped

    The process that runs it holds a lease, so only one does. An uploaded ZIP is kept in ImportPiece until the import is
    done. Any other source (`place`: a path on a machine, or a CompreFace server) is read by the command that imports it.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", pgettext_lazy("import", "Queued")
        RUNNING = "running", pgettext_lazy("import", "Running")
        STOPPED = "stopped", pgettext_lazy("import", "Stopped")
        DONE = "done", pgettext_lazy("import", "Done")
        FAILED = "failed", pgettext_lazy("import", "Failed")

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="imports")
    name = models.CharField(max_length=255)
    place = models.CharField(max_length=4096, blank=True, help_text="Host and path; empty: uploaded.")
    size = models.PositiveBigIntegerField(default=0)
    quality_gate = models.CharField(max_length=10, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    stop_requested = models.BooleanField(default=False)
    total = models.PositiveIntegerField(null=True)
    enrolled = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    ignored = models.PositiveIntegerField(default=0, db_default=0)
    error_message = models.TextField(blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    requested_as = models.JSONField(default=dict)
    runner = models.UUIDField(null=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = ImportQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="import_running_is_leased",
                condition=Q(status="running", runner__isnull=False) | ~Q(status="running") & Q(runner=None),
            ),
            models.CheckConstraint(
                name="import_end_has_time",
                condition=Q(status__in=["queued", "running"]) | Q(finished_at__isnull=False),
            ),
        ]

    def __str__(self):
        return self.name

    @property
    def handled(self) -> int:
        return self.enrolled + self.skipped + self.refused + self.ignored

    def left_out_by_reason(self):
        """{code, reason, count} of the files that were left out."""
        ignored = self.rows.filter(status=ImportRow.Status.IGNORED)
        return ignored.values("code", "reason").annotate(count=Count("pk")).order_by("code", "reason")


class ImportRow(models.Model):
    """What became of one file of an import.

    path: the file's place in the source, unique in the import. key: the person's external id; empty for nobody's files.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "Waits"
        ENROLLED = "enrolled", "Enrolled"
        SKIPPED = "skipped", "Was there already"
        REFUSED = "refused", "Refused"
        IGNORED = "ignored", "Left out"

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    job = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rows")
    path = models.CharField(max_length=1000)
    name = models.CharField(max_length=200)
    key = models.CharField(max_length=200)
    status = models.CharField(max_length=10, choices=Status.choices)
    code = models.CharField(max_length=50, blank=True)
    reason = models.TextField(blank=True)
    identity = models.ForeignKey(Identity, null=True, on_delete=models.SET_NULL, related_name="+")
    request = models.ForeignKey(RecognitionRequest, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["job", "path"], name="import_row_once")]

    def __str__(self):
        return f"{self.path}: {self.status}"


class ImportPiece(models.Model):
    """One piece of an uploaded ZIP; see imports/upload.py."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    job = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="pieces")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="import_piece_once")]

    def __str__(self):
        return f"Piece {self.number} of {self.job}"
