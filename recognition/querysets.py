"""Reads of recognitions."""

from datetime import timedelta

from django.db.models import BooleanField, Count, ExpressionWrapper, F, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from accounts.querysets import GalleryScopedQuerySet
from accounts.roles import Role

WORKER_ALIVE_FOR = timedelta(seconds=15)


class RecognitionRequestQuerySet(GalleryScopedQuerySet):
    def visible_to(self, actor, role: Role = Role.VIEWER):
        """Viewers see what they asked themselves; curators all of their galleries."""
        rows = super().visible_to(actor, role)
        if actor.sees_everything:
            return rows
        curated = actor.user.memberships.filter(role__gte=Role.CURATOR).values("gallery_id")
        return rows.filter(Q(requested_by=actor.user) | Q(gallery_id__in=curated))

    def enrolments(self, ids):
        """Enrolment photos in the order they were handed in, with what became of them."""
        return self.filter(pk__in=ids).with_sample().order_by("id")

    def with_sample(self):
        return self.defer("photo").select_related("sample", "identity").prefetch_related("faces")

    def recognitions(self):
        return self.filter(purpose="recognize")

    def analyses(self, purpose):
        """Photos that were only looked at, with the faces in them."""
        return self.filter(purpose=purpose).defer("photo").select_related("gallery").prefetch_related("faces")

    def with_results(self):
        """Everything an answer shows, in a fixed number of queries; the photo itself stays in the database."""
        face = self.model._meta.get_field("faces").related_model
        candidate = face._meta.get_field("candidates").related_model
        rejection = face._meta.get_field("rejections").related_model
        candidates = candidate.objects.select_related("identity__merged_into").order_by("rank")
        candidates = candidates.annotate(sample_deleted_at=F("sample__deleted_at"))
        faces = face.objects.defer("crop", "vector").select_related("identity__merged_into").order_by("index")
        faces = faces.annotate(has_crop=ExpressionWrapper(~Q(crop=b""), BooleanField()))
        rejections = rejection.objects.filter(sample__deleted_at=None).select_related("sample__identity__merged_into")
        faces = faces.prefetch_related(
            Prefetch("candidates", queryset=candidates), Prefetch("rejections", queryset=rejections)
        )
        rows = self.defer("photo").select_related("gallery", "identity")
        return rows.prefetch_related(Prefetch("faces", queryset=faces))


class ImportQuerySet(GalleryScopedQuerySet):
    def visible_to(self, actor, role: Role = Role.CURATOR):
        """Imports are the curators' business."""
        return super().visible_to(actor, role)

    def free(self):
        """Those that wait for somebody to run them, or whose runner is gone."""
        gone = Q(status="running", lease_expires_at__lt=Now())
        return self.filter(Q(status="queued") | gone)


class HealthFindingQuerySet(GalleryScopedQuerySet):
    def visible_to(self, actor, role: Role = Role.CURATOR):
        """The health of a gallery is its curators' business."""
        return super().visible_to(actor, role)

    def standing(self):
        """Those that still hold, as far as one sees without looking at vectors: nobody was deleted or made inactive, no face
        was moved, rejected or deleted, and a weak person has as many faces as then."""
        sample = self.model._meta.get_field("sample").related_model
        faces = sample.objects.enrolled().filter(identity=OuterRef("identity")).order_by()
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


class ReEmbeddingQuerySet(GalleryScopedQuerySet):
    def visible_to(self, actor, role: Role = Role.OWNER):
        """Which model a gallery uses is its owners' business."""
        return super().visible_to(actor, role)

    def live(self):
        """Those that embed, or wait for their cut-over."""
        return self.filter(status__in=["running", "ready"])


class EvaluationQuerySet(QuerySet):
    def may_be_seen_by(self, actor) -> bool:
        """Evaluations belong to no gallery: operators and staff see them, and curators of any gallery."""
        key_gallery = actor.api_key.gallery_id if actor.api_key else None
        if actor.sees_everything or (actor.user.is_staff and key_gallery is None):
            return True
        curated = actor.user.memberships.filter(role__gte=Role.CURATOR)
        return curated.filter(**({"gallery_id": key_gallery} if key_gallery else {})).exists()

    def visible_to(self, actor):
        return self if self.may_be_seen_by(actor) else self.none()

    def without_curves(self):
        """For lists."""
        return self.defer("curves", "failures")


class WorkerQuerySet(QuerySet):
    def alive(self):
        return self.filter(last_seen_at__gt=Now() - WORKER_ALIVE_FOR)
