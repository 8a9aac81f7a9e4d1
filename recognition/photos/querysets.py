"""Reads of recognitions."""

from datetime import timedelta

from django.db.models import BooleanField, ExpressionWrapper, F, Prefetch, Q, QuerySet
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


class WorkerQuerySet(QuerySet):
    def alive(self):
        return self.filter(last_seen_at__gt=Now() - WORKER_ALIVE_FOR)
