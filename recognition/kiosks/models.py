"""Kiosks and what lets them in."""

import uuid6
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from faceplatform.database.names import NameField
from gallery.models import Gallery
from recognition.cameras.models import Camera
from recognition.kiosks.querysets import KioskQuerySet


class Kiosk(models.Model):
    """A browser that sends the pictures of one webcam camera, and is told whom that camera sees now.

    code_hash: of the code that an owner carries to the browser, until it is used; code_expires_at: when it is of no use any
    more. key_hash: of the key in the browser's cookie, once the code was used; unique. greets_strangers: whether it says “not
    recognised”. Ending a kiosk deletes its row: then nothing lets the browser in.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+")
    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="kiosks")
    name = NameField(max_length=100)
    greets_strangers = models.BooleanField(default=False)
    code_hash = models.CharField(max_length=64, null=True, unique=True, editable=False)  # noqa: DJ001 - null: it was used
    code_expires_at = models.DateTimeField(editable=False)
    key_hash = models.CharField(max_length=64, null=True, unique=True, editable=False)  # noqa: DJ001 - null: not used yet
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    objects = KioskQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(name="kiosk_has_name", condition=~Q(name="")),
            models.CheckConstraint(
                name="kiosk_has_code_or_key",
                condition=Q(code_hash=None, key_hash__isnull=False, started_at__isnull=False)
                | Q(code_hash__isnull=False, key_hash=None, started_at=None),
            ),
        ]

    def __str__(self):
        return self.name

    @property
    def waits(self) -> bool:
        """Whether its code can still be used."""
        return self.code_hash is not None and self.code_expires_at > timezone.now()
