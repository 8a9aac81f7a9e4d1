"""The backups that were made, for the System page and for metrics. The files themselves are in a folder of the operator's."""

from typing import Any

import uuid6
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from recognition.backups.querysets import BackupQuerySet


class Backup(models.Model):
    """A backup that was made, or tried.

        running ──▶ made ──▶ verified | not verifiable (verified_at, verification_error empty: not looked at yet)
           └──────▶ failed (error)

    file: its name without the folder; "-" for standard output. size: bytes of the file. encrypted: for an age key, so that
    only the key's owner can verify it. removed_at: when the file was deleted to make room for newer ones.
    """

    class Kind(models.TextChoices):
        DAILY = "daily", _("Daily")
        MANUAL = "manual", _("By hand")
        BEFORE_MIGRATION = "before-migration", _("Before an upgrade")
        BEFORE_RESTORE = "before-restore", _("Before a restore")

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    file = models.CharField(max_length=255)
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True)
    size = models.BigIntegerField(null=True)
    encrypted = models.BooleanField(default=False)
    error = models.TextField(blank=True)
    verified_at = models.DateTimeField(null=True)
    verification_error = models.TextField(blank=True)
    removed_at = models.DateTimeField(null=True)

    objects: Any = BackupQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["kind", "-id"], name="backup_by_kind")]

    def __str__(self):
        return self.file
