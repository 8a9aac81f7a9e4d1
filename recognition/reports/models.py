"""The base of the reports that jobs compute about a gallery."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.querysets import GalleryScopedQuerySet
from gallery.models import Gallery

LEASE = timedelta(minutes=3)  # of the process that computes a report


class GalleryReport(models.Model):
    """One report per gallery. While it is computed again, the previous result stays in place.

        queued ──▶ running ──▶ done
                      └──────▶ failed

    The job (`runner`) holds a lease and extends it as it works. A report whose lease has expired was interrupted and can be
    requested again. pack, computed_at, seconds: of the latest result. done, total: faces compared so far, and in all, in the
    current run.
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
    def in_progress(self) -> bool:
        """Queued, or being computed under a valid lease."""
        if self.status == self.Status.RUNNING:
            now = timezone.now()  # a lease of before the clock was set back is not valid either
            return self.lease_expires_at is not None and now < self.lease_expires_at < now + 2 * LEASE
        return self.status == self.Status.QUEUED

    @property
    def interrupted(self) -> bool:
        """Its job ended without a result, for example because the process was killed."""
        return self.status == self.Status.RUNNING and not self.in_progress
