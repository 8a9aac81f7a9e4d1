"""Reads of what is wrong in a gallery."""

from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from accounts.querysets import GalleryScopedQuerySet
from accounts.roles import Role
from gallery.models import FaceSample


class HealthFindingQuerySet(GalleryScopedQuerySet):
    def visible_to(self, actor, role: Role = Role.CURATOR):
        """The health of a gallery is its curators' business."""
        return super().visible_to(actor, role)

    def standing(self):
        """Those that still hold, as far as one sees without looking at vectors: nobody was deleted or made inactive, no face
        was moved, rejected or deleted, and a weak person has as many faces as then."""
        faces = FaceSample.objects.enrolled().filter(identity=OuterRef("identity")).order_by()
        now = Subquery(faces.values("identity").annotate(count=Count("pk")).values("count"))
        return self.annotate(faces_now=Coalesce(now, 0)).filter(
            ~Q(kind="weak") | Q(faces_now=F("total")),
            _stands("sample", of="identity"),
            _stands("own_sample", of="identity"),
            _stands("other_sample", of="other"),
            Q(other=None) | Q(other__deleted_at=None, other__active=True),
            identity__deleted_at=None,
            identity__active=True,
        )

    def with_people(self):
        return self.select_related("identity__gallery", "other", "sample", "own_sample", "other_sample", "dismissed_by")


def _stands(sample: str, *, of: str) -> Q:
    """None, or still an enrolled face of the person."""
    there = {f"{sample}__deleted_at": None, f"{sample}__rejected": False, f"{sample}__identity": F(of)}
    return Q(**{sample: None}) | Q(**there)
