"""The jobs of the galleries: procrastinate looks for them here."""

from gallery.search.tasks import maintain_vector_indexes

__all__ = ["maintain_vector_indexes"]
