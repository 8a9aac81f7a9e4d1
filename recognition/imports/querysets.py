"""Reads of imports."""

from django.db.models import Q
from django.db.models.functions import Now

from accounts.querysets import GalleryScopedQuerySet
from accounts.roles import Role


class ImportQuerySet(GalleryScopedQuerySet):
    def visible_to(self, actor, role: Role = Role.CURATOR):
        """Imports are the curators' business."""
        return super().visible_to(actor, role)

    def free(self):
        """Those that wait for somebody to run them, or whose runner is gone."""
        gone = Q(status="running", lease_expires_at__lt=Now())
        return self.filter(Q(status="queued") | gone)
