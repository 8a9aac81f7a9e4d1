"""Who an unknown person may be. Sightings and unknown people themselves are in recognition/cameras/models.py."""

import uuid6
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.querysets import GalleryScopedQuerySet
from gallery.models import Gallery, Identity
from recognition.cameras.models import UnknownPerson


class Suggestion(models.Model):
    """An unknown person may be a person of the gallery, or the same as another unknown person. Made anew by each look.

    distance: L2, from the centroid to the person's nearest face; or the mean over the pairs of the sightings of both.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+")
    unknown = models.ForeignKey(UnknownPerson, on_delete=models.CASCADE, related_name="suggestions")
    identity = models.ForeignKey(Identity, null=True, on_delete=models.CASCADE, related_name="+")
    other = models.ForeignKey(UnknownPerson, null=True, on_delete=models.CASCADE, related_name="+")
    distance = models.FloatField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = GalleryScopedQuerySet.as_manager()

    class Meta:
        ordering = ["distance", "id"]
        constraints = [
            models.CheckConstraint(
                name="suggestion_names_one",
                condition=Q(identity__isnull=False, other__isnull=True) | Q(identity__isnull=True, other__isnull=False),
            )
        ]

    def __str__(self):
        return f"{self.unknown} may be {self.identity or self.other}"
