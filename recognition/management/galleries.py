"""Finds the gallery that a command names."""

from django.core.management.base import CommandError

from gallery.models import Gallery


def find_gallery(slug: str) -> Gallery:
    """Raises CommandError, which lists the galleries, if there is none with this slug."""
    gallery = Gallery.objects.filter(slug=slug).first()
    if gallery is None:
        slugs = Gallery.objects.order_by("slug").values_list("slug", flat=True)
        known = ", ".join(slugs) or "none yet; import_faces --create makes one"
        raise CommandError(f"There is no gallery “{slug}”. Galleries: {known}.")
    return gallery
