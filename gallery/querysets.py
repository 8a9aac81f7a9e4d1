"""Reads of galleries, people and samples. `visible_to`, from accounts, leaves out galleries the actor may not see.

The models are imported where they are used: gallery/models.py imports this module.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.querysets import GalleryScopedQuerySet
from accounts.roles import Role
from faceplatform.dates import server_today
from faceplatform.errors import InvalidInput
from faceplatform.text import storable


def _count(rows: QuerySet, by: str) -> Coalesce:
    """How many of `rows` refer to the outer row through their field `by`."""
    grouped = rows.filter(**{by: OuterRef("pk")}).order_by().values(by).annotate(count=Count("pk"))
    return Coalesce(Subquery(grouped.values("count")), 0)


class GalleryQuerySet(GalleryScopedQuerySet):
    gallery_path = "id"

    def owned_by(self, actor):
        """The galleries that `actor` owns, also those that are being deleted, which `visible_to` hides."""
        from accounts.models import Membership

        rows = self
        if actor.api_key is not None and actor.api_key.gallery_id is not None:
            rows = rows.filter(pk=actor.api_key.gallery_id)
        if actor.sees_everything:
            return rows
        owned = Membership.with_closed.filter(user=actor.user, role__gte=Role.OWNER)
        return rows.filter(pk__in=owned.values("gallery_id"))

    def packs_in_force(self) -> set[str]:
        """The packs that galleries use."""
        return set(self.order_by().values_list("pack", flat=True).distinct())

    def being_deleted(self):
        return self.filter(deletes_at__isnull=False)

    def called(self, text: str):
        """The gallery with this slug, or else the only one with this name; None if there is none.

        Raises InvalidInput if several have the name.
        """
        text = storable(text, 1000)
        found: list[Any] = list(self.filter(slug=text)) or list(self.filter(name=text.strip()).order_by("slug"))
        if len(found) > 1:
            slugs = ", ".join(gallery.slug for gallery in found)
            raise InvalidInput(f"Several galleries are called “{text}”. Give the slug of one: {slugs}.")
        return found[0] if found else None

    def with_counts(self):
        """Adds `identity_count` and `sample_count`."""
        from gallery.models import FaceSample, Identity

        return self.annotate(
            identity_count=_count(Identity.objects.all(), "gallery"),
            sample_count=_count(FaceSample.objects.enrolled(), "gallery"),
        )


class IdentityQuerySet(GalleryScopedQuerySet):
    def with_portrait(self):
        """Adds `portrait_id`, the person's sample of the best quality, and `sample_count`."""
        from gallery.models import FaceSample

        samples = FaceSample.objects.enrolled()
        best = samples.filter(identity=OuterRef("pk")).order_by("-quality_score", "id")
        return self.annotate(portrait_id=Subquery(best.values("pk")[:1]), sample_count=_count(samples, "identity"))

    def portraits(self) -> dict[UUID, UUID | None]:
        """Each person's `portrait_id`."""
        return dict(self.with_portrait().values_list("pk", "portrait_id"))

    def with_valid_consent(self):
        not_expired = Q(consent_until=None) | Q(consent_until__gte=server_today())
        return self.filter(not_expired, consent="given")

    def without_valid_consent(self):
        """Never asked, refused, withdrawn or expired."""
        return self.filter(~Q(consent="given") | Q(consent_until__lt=server_today()))

    def consent_expired(self):
        return self.filter(consent="given", consent_until__lt=server_today())

    def consent_ending(self, days: int = 30):
        """People whose consent is valid now and expires within `days` days."""
        today = server_today()
        return self.filter(consent="given", consent_until__range=(today, today + timedelta(days=days)))

    def seen_since(self, moment: datetime | None):
        """People recognised since then; None: never."""
        return self.filter(last_recognized_at=None) if moment is None else self.filter(last_recognized_at__gte=moment)

    def with_fewer_faces(self, count: int):
        """People with fewer than `count` enrolled faces."""
        from gallery.models import FaceSample

        enough = FaceSample.objects.enrolled().filter(identity=OuterRef("pk")).order_by()[count - 1 : count]
        return self.filter(~Exists(enough))

    def neighbours(self, person):
        """(id of who comes before, of who comes after) the person in the gallery's order of names; None at an end."""
        rows = self.filter(gallery=person.gallery_id, active=True, hidden=False).exclude(pk=person.pk)
        same = Q(name=person.name)
        before = rows.filter(Q(name__lt=person.name) | same & Q(pk__lt=person.pk)).order_by("-name", "-id")
        after = rows.filter(Q(name__gt=person.name) | same & Q(pk__gt=person.pk)).order_by("name", "id")
        return before.values_list("pk", flat=True).first(), after.values_list("pk", flat=True).first()

    def matching(self, text: str):
        """People whose name, external id, department or position contains it, for each word of `text`; no case, no accents."""
        rows = self
        for word in text.split(maxsplit=9):
            rows = rows.filter(searchable__alike=word)
        return rows


class FaceSampleQuerySet(GalleryScopedQuerySet):
    def enrolled(self):
        """Leaves out rejected samples ("not X")."""
        return self.filter(rejected=False)

    def without_vector(self, gallery_id, pack: str):
        """The gallery's samples without a vector of `pack`."""
        from gallery.models import FaceEmbedding

        vectors = FaceEmbedding.objects.filter(gallery=gallery_id, pack=pack, sample=OuterRef("pk"))
        return self.filter(~Exists(vectors), gallery=gallery_id)
