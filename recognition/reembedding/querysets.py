"""Reads of re-embeddings."""

from accounts.querysets import GalleryScopedQuerySet
from accounts.roles import Role


class ReEmbeddingQuerySet(GalleryScopedQuerySet):
    def visible_to(self, actor, role: Role = Role.OWNER):
        """Which model a gallery uses is its owners' business."""
        return super().visible_to(actor, role)

    def live(self):
        """Those that embed, or wait for their cut-over."""
        return self.filter(status__in=["running", "ready"])
