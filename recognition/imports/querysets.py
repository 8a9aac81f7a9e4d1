"""Reads of imports."""

from datetime import datetime, timedelta

from django.db.models import Q

from accounts.querysets import GalleryScopedQuerySet
from accounts.roles import Role
from faceplatform.database.leases import is_expired

LEASE = timedelta(seconds=60)  # of the process that runs an import


class ImportQuerySet(GalleryScopedQuerySet):
    def visible_to(self, actor, role: Role = Role.CURATOR):
        """Imports of the galleries in which `actor` is at least a curator."""
        return super().visible_to(actor, role)

    def claimable(self):
        """Imports that a process may run: queued ones, and those whose runner has let its lease expire."""
        abandoned = Q(status="running") & is_expired("lease_expires_at", LEASE)
        return self.filter(Q(status="queued") | abandoned)

    def abandoned(self, before: datetime):
        """Imports of commands that were killed before that moment, or just after they had created the import."""
        killed = Q(status="running", lease_expires_at__lt=before)
        return self.exclude(place="").filter(Q(status="queued", created_at__lt=before) | killed)
