"""Reads of cameras and of what they saw, limited to what an actor may see.

The models are imported where they are used: recognition/cameras/models.py imports this module.
"""

from django.db.models import OuterRef, Prefetch, Q, Subquery
from django.utils.translation import gettext as _

from accounts.querysets import GalleryScopedQuerySet
from faceplatform.text import clean_name, storable

LONGEST_SEARCH = 200  # characters


def unknown_number(text: str) -> int | None:
    """Of the unknown person that was typed as “Unknown 3”, in English or the reader's language, “#3” or “3”; else None."""
    word = (_("Unknown %(number)s") % {"number": ""}).strip().lower()
    number = text.lower().removeprefix("unknown").removeprefix(word).strip(" #")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None


class CameraQuerySet(GalleryScopedQuerySet):
    def with_state(self):
        return self.select_related("gallery", "state")

    def with_picture(self):
        """Adds `picture_seq`, the number of the live picture; None if there is none."""
        from recognition.cameras.models import LiveFrame

        return self.annotate(picture_seq=Subquery(LiveFrame.objects.filter(camera=OuterRef("pk")).values("seq")))


class SightingQuerySet(GalleryScopedQuerySet):
    def with_people(self):
        return self.select_related("gallery", "camera", "identity__merged_into", "unknown", "named_later_by")

    def with_faces(self):
        """The faces without their pictures and vectors."""
        from recognition.cameras.models import SightingFace

        faces = SightingFace.objects.defer("jpeg", "vector", "landmarks")
        return self.prefetch_related(Prefetch("faces", queryset=faces))

    def of_person(self, identity):
        """Of this person and of everybody merged into them. identity: a person's id."""
        return self.filter(Q(identity=identity) | Q(identity__merged_into=identity))

    def latest_first(self):
        return self.order_by("-first_seen", "-id")

    def of_anybody_like(self, text: str):
        """Sightings of people whose name or other data contain `text`, and of the unknown person with this number."""
        text = clean_name(storable(text, LONGEST_SEARCH))
        if not text:
            return self
        number = unknown_number(text)
        unknown = Q(identity=None, unknown__number=number) if number is not None else Q()
        return self.filter(Q(identity__searchable__alike=text) | unknown)


class UnknownPersonQuerySet(GalleryScopedQuerySet):
    def open(self):
        """Those who still are unknown people of their own: not named, not merged into another, not ignored."""
        return self.filter(identity=None, merged_into=None, ignored=False)

    def seen(self):
        """Those who have sightings: not those that were merged, split up or given back by an undo."""
        return self.filter(sightings_count__gt=0)

    def in_state(self, state: str):
        """open, ignored or named."""
        if state == "open":
            return self.open()
        if state == "ignored":
            return self.filter(identity=None, ignored=True)
        return self.filter(identity__isnull=False)

    def with_best_face(self):
        """Adds `face_sighting` and `face_rank`: where the face of the best quality is; null if there is none."""
        from recognition.cameras.models import SightingFace

        best = SightingFace.objects.filter(sighting__unknown=OuterRef("pk")).order_by("-quality_score", "id")
        return self.annotate(
            face_sighting=Subquery(best.values("sighting")[:1]), face_rank=Subquery(best.values("rank")[:1])
        )

    def with_suggestions(self):
        return self.prefetch_related("suggestions__identity", "suggestions__other").select_related(
            "gallery", "identity__merged_into", "merged_into"
        )
