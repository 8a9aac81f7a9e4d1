"""What a job finds out about a gallery."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.querysets import GalleryScopedQuerySet
from gallery.models import Gallery


class GalleryReport(models.Model):
    """What was found out about a gallery; asked for again, it is computed anew and the old one stands meanwhile.

        queued ──▶ running ──▶ done
                      └──────▶ failed

    Whoever computes holds a lease, moved on as it goes; a report whose lease is over was broken off and can be asked for
    again. pack, computed_at, seconds: of what stands. done, total: faces, of what is being computed.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    gallery = models.OneToOneField(Gallery, on_delete=models.CASCADE, primary_key=True, related_name="%(class)s")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    pack = models.CharField(max_length=50, blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    error_message = models.TextField(blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    requested_at = models.DateTimeField(db_default=Now())
    runner = models.UUIDField(null=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, editable=False)
    computed_at = models.DateTimeField(null=True)
    seconds = models.FloatField(null=True)

    objects = GalleryScopedQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(class)s_running_is_leased",
                condition=Q(status="running", runner__isnull=False, lease_expires_at__isnull=False)
                | ~Q(status="running") & Q(runner=None, lease_expires_at=None),
            )
        ]

    def __str__(self):
        return f"{self._meta.verbose_name} of {self.gallery}"

    @property
    def runs(self) -> bool:
        """Waits for its job, or is being computed."""
        if self.status == self.Status.RUNNING:
            return self.lease_expires_at > timezone.now()
        return self.status == self.Status.QUEUED

    @property
    def broken_off(self) -> bool:
        return self.status == self.Status.RUNNING and not self.runs
