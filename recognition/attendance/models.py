"""Who was seen on which day, and what people have corrected by hand.

These rows outlive the sightings that they were counted from.
"""

import uuid6
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from faceplatform.database.names import NameField
from gallery.models import Gallery, Identity
from recognition.attendance.querysets import AttendanceCorrectionQuerySet, AttendanceDayQuerySet
from recognition.cameras.models import Camera


class AttendanceDay(models.Model):
    """A person seen on a day by one camera. date: of the gallery (its time zone, from its `day_starts_at` on)."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    identity = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="attendance", db_index=False)
    date = models.DateField()
    camera = models.ForeignKey(Camera, null=True, on_delete=models.SET_NULL, related_name="+")
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    sightings = models.PositiveIntegerField()

    objects = AttendanceDayQuerySet.as_manager()

    class Meta:
        ordering = ["date", "first_seen"]
        constraints = [
            models.UniqueConstraint(fields=["identity", "date", "camera"], name="attendance_once"),
            models.CheckConstraint(name="attendance_forward", condition=Q(last_seen__gte=F("first_seen"))),
        ]
        indexes = [models.Index(fields=["gallery", "date"], name="attendance_by_day")]

    def __str__(self):
        return f"{self.identity} on {self.date}"


class Presence(models.TextChoices):
    """What a day was for a person."""

    PRESENT = "present", _("Present")
    ABSENT = "absent", _("Absent")
    NO_DATA = "no_data", _("No data")


TO_WRITE_DOWN = [(presence.value, presence.label) for presence in (Presence.PRESENT, Presence.ABSENT)]


class AttendanceCorrection(models.Model):
    """What somebody wrote down by hand about a person's day. The latest that is not withdrawn counts.

    came, left: times of that day in the gallery's zone, if known; a time before the day's start is of the next calendar day.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    identity = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="+", db_index=False)
    date = models.DateField()
    presence = models.CharField(max_length=10, choices=TO_WRITE_DOWN)
    came = models.TimeField(null=True, blank=True)
    left = models.TimeField(null=True, blank=True)
    reason = NameField(max_length=200)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(db_default=Now(), editable=False)
    withdrawn_at = models.DateTimeField(null=True, editable=False)

    objects = AttendanceCorrectionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["identity", "date"], condition=Q(withdrawn_at=None), name="attendance_correction_once"
            ),
            models.CheckConstraint(name="attendance_correction_known", condition=Q(presence__in=["present", "absent"])),
            models.CheckConstraint(
                name="attendance_absent_has_no_times",
                condition=Q(presence="present") | Q(came__isnull=True, left__isnull=True),
                violation_error_message=_("Who was absent neither came nor left: leave the times empty."),
            ),
            models.CheckConstraint(name="attendance_correction_has_reason", condition=~Q(reason="")),
        ]
        indexes = [models.Index(fields=["gallery", "date"], name="correction_by_day")]

    def __str__(self):
        return f"{self.identity} on {self.date}: {self.presence}"
