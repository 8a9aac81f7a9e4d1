"""What the workers of all machines have counted, so that any web process can tell a monitor."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Tally(models.Model):
    """A count that only grows, or a histogram. Worker processes add to it every few seconds.

    name, label: what is counted, as "decisions", "known". total: for a histogram, the sum in seconds. buckets: for a
    histogram, how many were at most each of BOUNDS and longer than the one before it, and last those longer than all.
    """

    name = models.CharField(max_length=40)
    label = models.CharField(max_length=60, blank=True)
    count = models.BigIntegerField(default=0)
    total = models.FloatField(default=0)
    buckets = ArrayField(models.BigIntegerField(), default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "label"], name="tally_once")]
        verbose_name_plural = "tallies"

    def __str__(self):
        return f"{self.name} {self.label}"
