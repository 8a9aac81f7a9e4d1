"""Reads of galleries and people. `visible_to` comes from accounts and hides other people's galleries."""

from django.db.models import Count, OuterRef, Q, Subquery

from accounts.querysets import GalleryScopedQuerySet


class GalleryQuerySet(GalleryScopedQuerySet):
    gallery_path = "id"

    def with_counts(self):
        """Adds `identity_count` and `sample_count`."""
        return self.annotate(
            identity_count=Count("identities", distinct=True), sample_count=Count("identities__samples", distinct=True)
        )


class IdentityQuerySet(GalleryScopedQuerySet):
    def with_portrait(self):
        """Adds `portrait_id`, the person's best sample, and `sample_count`."""
        sample = self.model._meta.get_field("samples").related_model
        samples = sample.objects.filter(identity=OuterRef("pk"))
        return self.annotate(
            portrait_id=Subquery(samples.order_by("-quality_score", "id").values("pk")[:1]),
            sample_count=Count("samples", distinct=True),
        )

    def matching(self, text: str):
        """People whose name, external id, department or position holds `text`."""
        wanted = Q()
        for field in ("name", "external_id", "department", "position"):
            wanted |= Q(**{f"{field}__icontains": text})
        return self.filter(wanted) if text else self


class FaceSampleQuerySet(GalleryScopedQuerySet):
    pass
