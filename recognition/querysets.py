"""Reads of recognitions."""

from datetime import timedelta

from django.db.models import Prefetch, QuerySet
from django.db.models.functions import Now

from accounts.querysets import GalleryScopedQuerySet

WORKER_ALIVE_FOR = timedelta(seconds=15)


class RecognitionRequestQuerySet(GalleryScopedQuerySet):
    def recognitions(self):
        return self.filter(purpose="recognize")

    def with_results(self):
        """Everything an answer shows, in a fixed number of queries; the photo itself stays in the database."""
        from recognition.models import Candidate, RecognitionFace

        candidates = Candidate.objects.select_related("identity").order_by("rank")
        faces = RecognitionFace.objects.defer("crop").select_related("identity").order_by("index")
        return (
            self.defer("photo")
            .select_related("gallery", "identity")
            .prefetch_related(
                Prefetch("faces", queryset=faces.prefetch_related(Prefetch("candidates", queryset=candidates)))
            )
        )


class WorkerQuerySet(QuerySet):
    def alive(self):
        return self.filter(last_seen_at__gt=Now() - WORKER_ALIVE_FOR)
