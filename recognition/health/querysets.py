"""Reads of the findings of a gallery's health."""

from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from accounts.querysets import GalleryScopedQuerySet
from accounts.roles import Role
from gallery.models import FaceSample


class HealthFindingQuerySet(GalleryScopedQuerySet):
    def visible_to(self, actor, role: Role = Role.CURATOR):
        """Only curators see the health of a gallery."""
        return super().visible_to(actor, role)

    def current(self):
        """Those that still hold, as far as can be told without the vectors: nobody was deleted or made inactive, no face was
        moved, rejected or deleted, and a weak person still has the same number of faces."""
        faces = FaceSample.objects.enrolled().filter(identity=OuterRef("identity")).order_by()
        now = Subquery(faces.values("identity").annotate(count=Count("pk")).values("count"))
        return self.annotate(faces_now=Coalesce(now, 0)).filter(
            ~Q(kind="weak") | Q(faces_now=F("total")),
            _still_enrolled("sample", of="identity"),
            _still_enrolled("own_sample", of="identity"),
            _still_enrolled("other_sample", of="other"),
            Q(other=None) | Q(other__deleted_at=None, other__active=True),
            identity__deleted_at=None,
            identity__active=True,
        )

    def with_people(self):
        return self.select_related("identity__gallery", "other", "sample", "own_sample", "other_sample", "dismissed_by")


def _still_enrolled(sample: str, *, of: str) -> Q:
    """There is no such sample, or it is still an enrolled face of that person."""
    enrolled = {f"{sample}__deleted_at": None, f"{sample}__rejected": False, f"{sample}__identity": F(of)}
    return Q(**{sample: None}) | Q(**enrolled)
