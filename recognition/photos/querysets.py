"""Reads of requests and workers."""

from datetime import timedelta

from django.db.models import BooleanField, ExpressionWrapper, F, Prefetch, Q, QuerySet
from django.db.models.functions import Now

from accounts.querysets import GalleryScopedQuerySet
from accounts.roles import Role

WORKER_ALIVE_FOR = timedelta(seconds=15)


class RecognitionRequestQuerySet(GalleryScopedQuerySet):
    def visible_to(self, actor, role: Role = Role.VIEWER):
        """Viewers see their own requests, curators all requests of their galleries."""
        rows = super().visible_to(actor, role)
        if actor.sees_everything:
            return rows
        curated = actor.user.memberships.filter(role__gte=Role.CURATOR).values("gallery_id")
        return rows.filter(Q(requested_by=actor.user) | Q(gallery_id__in=curated))

    def enrolments(self, ids):
        """Enrolment photos in the order they were submitted, with what became of them."""
        return self.filter(pk__in=ids).with_sample().order_by("id")

    def with_sample(self):
        """What the answer to an enrolment shows; the photo itself stays in the database."""
        return self.defer("photo").select_related("sample", "identity").prefetch_related("faces")

    def recognitions(self):
        return self.filter(purpose="recognize")

    def analyses(self, purpose):
        """Detections, embeddings or comparisons, with their faces."""
        return self.filter(purpose=purpose).defer("photo").select_related("gallery").prefetch_related("faces")

    def with_results(self):
        """Everything an answer shows, in a fixed number of queries; the photo itself stays in the database."""
        from recognition.photos.models import Candidate, RecognitionFace, Rejection  # models.py imports this module

        candidates = Candidate.objects.select_related("identity__merged_into").order_by("rank")
        # The models declare what is annotated here; the stubs take that for a second definition.
        candidates = candidates.annotate(sample_deleted_at=F("sample__deleted_at"))  # type: ignore[no-redef]
        rejections = Rejection.objects.filter(sample__deleted_at=None).select_related("sample__identity__merged_into")
        faces = (
            RecognitionFace.objects.defer("crop", "vector").select_related("identity__merged_into").order_by("index")
        )
        faces = faces.annotate(has_crop=ExpressionWrapper(~Q(crop=b""), BooleanField()))  # type: ignore[no-redef]
        faces = faces.prefetch_related(
            Prefetch("candidates", queryset=candidates), Prefetch("rejections", queryset=rejections)
        )
        rows = self.defer("photo").select_related("gallery", "identity")
        return rows.prefetch_related(Prefetch("faces", queryset=faces))


class WorkerQuerySet(QuerySet):
    def alive(self):
        """Workers with a recent heartbeat."""
        return self.filter(last_seen_at__gt=Now() - WORKER_ALIVE_FOR)
