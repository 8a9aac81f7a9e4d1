"""Who does the work."""

import uuid6
from django.db import models
from django.db.models.functions import Now

from recognition.querysets import WorkerQuerySet


class Worker(models.Model):
    """A recognition worker process, as long as it lives. Alive: its heartbeat is younger than WORKER_ALIVE_FOR.

    engine: pack → on what its nets run there, in which form and why; see engine/pack_nets.py.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    host = models.CharField(max_length=255)
    process_id = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    last_seen_at = models.DateTimeField(db_default=Now())
    engine = models.JSONField(default=dict)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering = ["started_at"]

    def __str__(self):
        return f"{self.host}:{self.process_id}"
