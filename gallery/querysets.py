"""Reads of galleries and people. `visible_to` comes from accounts and hides other people's galleries."""

from datetime import timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.querysets import GalleryScopedQuerySet


def _count(rows: QuerySet, by: str) -> Coalesce:
    """How many of `rows` point at the outer row with their field `by`."""
    grouped = rows.filter(**{by: OuterRef("pk")}).order_by().values(by).annotate(count=Count("pk"))
    return Coalesce(Subquery(grouped.values("count")), 0)


class GalleryQuerySet(GalleryScopedQuerySet):
    gallery_path = "id"

    def with_counts(self):
        """Adds `identity_count` and `sample_count`."""
        from gallery.models import FaceSample, Identity

        return self.annotate(
            identity_count=_count(Identity.objects.all(), "gallery"),
            sample_count=_count(FaceSample.objects.enrolled(), "gallery"),
        )


class IdentityQuerySet(GalleryScopedQuerySet):
    def with_portrait(self):
        """Adds `portrait_id`, the person's best sample, and `sample_count`."""
        from gallery.models import FaceSample

        samples = FaceSample.objects.enrolled()
        best = samples.filter(identity=OuterRef("pk")).order_by("-quality_score", "id")
        return self.annotate(portrait_id=Subquery(best.values("pk")[:1]), sample_count=_count(samples, "identity"))

    def with_valid_consent(self):
        lasting = Q(consent_until=None) | Q(consent_until__gte=timezone.localdate())
        return self.filter(lasting, consent="given")

    def without_valid_consent(self):
        """Never asked, refused, withdrawn or expired."""
        return self.filter(~Q(consent="given") | Q(consent_until__lt=timezone.localdate()))

    def consent_expired(self):
        return self.filter(consent="given", consent_until__lt=timezone.localdate())

    def consent_ending(self, days: int = 30):
        """Whose consent holds now and ends within so many days."""
        today = timezone.localdate()
        return self.filter(consent="given", consent_until__range=(today, today + timedelta(days=days)))

    def matching(self, text: str):
        """People whose name, external id, department or position holds `text`."""
        wanted = Q()
        for field in ("name", "external_id", "department", "position"):
            wanted |= Q(**{f"{field}__icontains": text})
        return self.filter(wanted) if text else self


class FaceSampleQuerySet(GalleryScopedQuerySet):
    def enrolled(self):
        """Without those that say whom a face is not."""
        return self.filter(rejected=False)

    def without_vector(self, gallery_id, pack: str):
        """Samples of the gallery that lack their vector of `pack`."""
        from gallery.models import FaceEmbedding

        vectors = FaceEmbedding.objects.filter(gallery=gallery_id, pack=pack, sample=OuterRef("pk"))
        return self.filter(~Exists(vectors), gallery=gallery_id)
