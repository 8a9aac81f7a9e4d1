"""Reads of re-embeddings."""

from accounts.querysets import GalleryScopedQuerySet
from accounts.roles import Role


class ReEmbeddingQuerySet(GalleryScopedQuerySet):
    def visible_to(self, actor, role: Role = Role.OWNER):
        """Re-embeddings of the galleries in which `actor` is an owner."""
        return super().visible_to(actor, role)

    def live(self):
        """Re-embeddings that are embedding, or are ready to cut over."""
        return self.filter(status__in=["running", "ready"])
