"""Reads of recognitions."""

from datetime import timedelta

from django.db.models import F, Prefetch, Q, QuerySet
from django.db.models.functions import Now

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
        rows = self.filter(pk__in=ids).defer("photo")
        return rows.select_related("sample", "identity").prefetch_related("faces").order_by("id")

    def recognitions(self):
        return self.filter(purpose="recognize")

    def with_results(self):
        """Everything an answer shows, in a fixed number of queries; the photo itself stays in the database."""
        face = self.model._meta.get_field("faces").related_model
        candidate = face._meta.get_field("candidates").related_model
        rejection = face._meta.get_field("rejections").related_model
        candidates = candidate.objects.select_related("identity__merged_into").order_by("rank")
        candidates = candidates.annotate(sample_deleted_at=F("sample__deleted_at"))
        faces = face.objects.defer("crop", "vector").select_related("identity__merged_into").order_by("index")
        rejections = rejection.objects.filter(sample__deleted_at=None).select_related("sample__identity__merged_into")
        return (
            self.defer("photo")
            .select_related("gallery", "identity")
            .prefetch_related(
                Prefetch("faces", queryset=faces),
                Prefetch("faces__candidates", queryset=candidates),
                Prefetch("faces__rejections", queryset=rejections),
            )
        )


class ImportQuerySet(GalleryScopedQuerySet):
    def visible_to(self, actor, role: Role = Role.CURATOR):
        """Imports are the curators' business."""
        return super().visible_to(actor, role)

    def free(self):
        """Those that wait for somebody to run them, or whose runner is gone."""
        gone = Q(status="running", lease_expires_at__lt=Now())
        return self.filter(Q(status="queued") | gone)


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
