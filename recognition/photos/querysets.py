"""Reads of requests and workers."""

from datetime import timedelta

from django.db.models import (
    BooleanField,
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Value,
    When,
)
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
        return self.defer("photo").select_related("sample", "identity").prefetch_related("faces").with_served()

    def recognitions(self):
        """Those that are listed: not those of live pictures."""
        return self.filter(purpose="recognize")

    def with_face(self, *, people=None, decision=None):
        """Those with a face that is one of `people`, and has that decision; "not X" counts. people: a queryset, None for all."""
        from recognition.photos.models import RecognitionFace, Rejection  # models.py imports this module

        rejected = Exists(
            Rejection.objects.standing().filter(face=OuterRef("pk"), sample__identity=OuterRef("identity"))
        )
        faces = RecognitionFace.objects.filter(request=OuterRef("pk"))
        if people is not None:
            faces = faces.filter(~rejected, decision="known", identity__in=people)
        if decision == "known":
            faces = faces.filter(~rejected, decision="known")
        elif decision == "unknown":
            faces = faces.filter(Q(decision="unknown") | rejected)
        elif decision:
            faces = faces.filter(decision=decision)
        return self.filter(Exists(faces), finished_at__isnull=False)

    def answers(self):
        """All recognitions, also of live pictures, as long as these last."""
        return self.filter(purpose__in=["recognize", "live"])

    def analyses(self, purpose):
        """Detections, embeddings or comparisons, with their faces."""
        rows = self.filter(purpose=purpose).defer("photo").select_related("gallery").prefetch_related("faces")
        return rows.with_served()

    def with_served(self):
        """Annotates `served`: False if a photo waits although no living worker can run its pack."""
        from recognition.photos.models import Worker  # models.py imports this module

        able = Worker.objects.alive().filter(Q(packs__isnull=True) | Q(packs__has_key=OuterRef("pack")))
        served = Case(When(status="queued", then=Exists(able)), default=Value(True), output_field=BooleanField())
        return self.annotate(served=served)

    def packs_without_worker(self):
        """Pack → how many photos wait for it although no living worker can run it."""
        waiting = self.filter(status="queued").with_served().filter(served=False)
        return dict(waiting.values_list("pack").annotate(Count("pk")).order_by("pack"))

    def with_results(self):
        """Everything an answer shows, in a fixed number of queries; the photo itself stays in the database."""
        from recognition.photos.models import Candidate, RecognitionFace, Rejection  # models.py imports this module

        candidates = Candidate.objects.select_related("identity__merged_into").order_by("rank")
        # The models declare what is annotated here; the stubs take that for a second definition.
        candidates = candidates.annotate(sample_deleted_at=F("sample__deleted_at"))  # type: ignore[no-redef]
        rejections = Rejection.objects.standing().select_related("sample__identity__merged_into")
        faces = RecognitionFace.objects.defer("crop", "vector").order_by("index")
        faces = faces.select_related("identity__merged_into", "named_by")
        faces = faces.annotate(has_crop=ExpressionWrapper(~Q(crop=b""), BooleanField()))  # type: ignore[no-redef]
        faces = faces.prefetch_related(
            Prefetch("candidates", queryset=candidates), Prefetch("rejections", queryset=rejections)
        )
        rows = self.defer("photo").select_related("gallery", "identity").with_served()
        return rows.prefetch_related(Prefetch("faces", queryset=faces))


class RejectionQuerySet(QuerySet):
    def standing(self):
        """Those that have not been undone."""
        return self.filter(sample__deleted_at=None, sample__rejected=True)


class WorkerQuerySet(QuerySet):
    def alive(self):
        """Workers with a recent heartbeat: one that seems to lie in the future is from before the clock was set back."""
        return self.filter(last_seen_at__gt=Now() - WORKER_ALIVE_FOR, last_seen_at__lt=Now() + WORKER_ALIVE_FOR)
