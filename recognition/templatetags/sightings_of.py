"""Where a person was seen last, for the head of the person's pages."""

from django import template

from gallery.models import Identity
from recognition.cameras.models import Sighting

register = template.Library()


@register.simple_tag
def last_sighting(person: Identity) -> Sighting | None:
    """The latest sighting with its camera, in one query."""
    rows = Sighting.objects.filter(gallery=person.gallery_id).of_person(person.pk)
    return rows.select_related("camera").latest_first().first()
