"""How long things are kept, and who was erased."""

from datetime import timedelta

import uuid6
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.querysets import GalleryScopedQuerySet
from gallery.models import Gallery


class RetentionRule(models.Model):
    """How many days a gallery keeps one category (see recognition/privacy/retention.py); null: for ever.

    Without a row, the installation's FACEPLATFORM_REQUEST_RETENTION_DAYS applies.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="retention_rules")
    category = models.CharField(max_length=30)
    days = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gallery", "category"], name="retention_rule_once"),
            models.CheckConstraint(name="retention_days_range", condition=Q(days=None) | Q(days__gte=1)),
        ]

    def __str__(self):
        return f"{self.category}: {'for ever' if self.days is None else f'{self.days} days'}"


class Erasure(models.Model):
    """The record that a person was erased: ids and counts only, no name.

    Kept for good, even after the gallery is deleted, so that the erasure can be repeated after a backup is restored.
    identities: the person and everybody merged into them. counts: rows per table. event_id: the audit event. whole_gallery: the
    gallery was deleted with everybody in it, and `identities` is empty.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(
        Gallery, on_delete=models.DO_NOTHING, db_constraint=False, related_name="erasures", related_query_name="+"
    )
    gallery_slug = models.CharField(max_length=50)
    identities = ArrayField(models.UUIDField(), default=list)
    whole_gallery = models.BooleanField(default=False, db_default=False)
    reason = models.CharField(max_length=200)
    erased_by = models.CharField(max_length=150)
    erased_at = models.DateTimeField(db_default=Now(), editable=False)
    counts = models.JSONField(default=dict)
    event_id = models.UUIDField(null=True)

    runtime_rights = ("SELECT", "INSERT", "UPDATE (event_id, counts)")
    objects = GalleryScopedQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self):
        return f"Erasure {self.pk}"

    @property
    def backups_expire_at(self):
        """From then on no backup contains the person, provided backups are deleted as the setting says."""
        return self.erased_at + timedelta(days=settings.BACKUP_RETENTION_DAYS)
