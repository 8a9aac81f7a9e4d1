"""Finds the gallery that a command names."""

from django.core.management.base import CommandError

from faceplatform.errors import Conflict, InvalidInput
from gallery.closing import require_open
from gallery.models import Gallery


def find_gallery(slug: str) -> Gallery:
    """slug: or the name, if one gallery alone has it.

    Raises CommandError if there is none, and then lists the galleries, or if it is being deleted.
    """
    try:
        gallery = Gallery.objects.called(slug)
    except InvalidInput as error:
        raise CommandError(error.message) from error
    if gallery is None:
        slugs = Gallery.objects.order_by("slug").values_list("slug", flat=True)
        known = ", ".join(slugs) or "none yet; import_faces --create makes one"
        raise CommandError(f"There is no gallery “{slug}”. Galleries: {known}.")
    try:
        require_open(gallery)
    except Conflict as error:
        raise CommandError(error.message) from error
    return gallery
