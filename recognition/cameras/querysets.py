"""Reads of cameras and of what they saw, limited to what an actor may see."""

from django.db.models import OuterRef, Q, Subquery

from accounts.querysets import GalleryScopedQuerySet
from faceplatform.text import clean_name, storable

LONGEST_SEARCH = 200  # characters


class CameraQuerySet(GalleryScopedQuerySet):
    def with_state(self):
        return self.select_related("gallery", "state")

    def with_picture(self):
        """Adds `picture_seq`, the number of the live picture; None if there is none."""
        from recognition.cameras.models import LiveFrame

        return self.annotate(picture_seq=Subquery(LiveFrame.objects.filter(camera=OuterRef("pk")).values("seq")))


class SightingQuerySet(GalleryScopedQuerySet):
    def with_people(self):
        return self.select_related("gallery", "camera", "identity__merged_into", "unknown")

    def of_anybody_like(self, text: str):
        """Sightings of people whose name or other data contain `text`, and of the unknown person with this number."""
        text = clean_name(storable(text, LONGEST_SEARCH))
        if not text:
            return self
        number = text.lower().removeprefix("unknown").strip(" #")
        is_number = number.isascii() and number.isdigit() and len(number) < 10
        unknown = Q(identity=None, unknown__number=int(number)) if is_number else Q()
        return self.filter(Q(identity__searchable__alike=text) | unknown)


class UnknownPersonQuerySet(GalleryScopedQuerySet):
    def open(self):
        """Those who still are unknown people of their own: not named, not merged into another, not ignored."""
        return self.filter(identity=None, merged_into=None, ignored=False)
