"""Reads of alerts and webhooks, limited to what an actor may see."""

from accounts.querysets import GalleryScopedQuerySet
from accounts.roles import Role


class AlertQuerySet(GalleryScopedQuerySet):
    def with_all(self):
        return self.select_related("gallery", "camera", "identity", "unknown", "sighting")


class EndpointQuerySet(GalleryScopedQuerySet):
    def visible_to(self, actor, role: Role = Role.OWNER):
        """Only owners see where their alerts are sent."""
        return super().visible_to(actor, role)
