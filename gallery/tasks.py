"""The background jobs of this app: procrastinate looks for them in this module."""

from gallery.search.tasks import maintain_vector_indexes

__all__ = ["maintain_vector_indexes"]
