"""The progress of a re-embedding and what it would change, for the API, the command line and the pages."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from gallery.models import FaceEmbedding, FaceSample
from gallery.search.indexing import lacks_index
from recognition.reembedding.models import PreviewedFace, ReEmbedding

Change = PreviewedFace.Change
DECISION_CHANGES = (Change.TO_UNKNOWN, Change.TO_KNOWN, Change.OTHER_PERSON)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a re-embedding is.

    samples: enrolled faces, including deleted ones that can be restored; embedded: those that have their vector of the new
    pack; unembedded: those that cannot be embedded. faces: faces of past recognitions in the preview; previewed: those
    decided again so far. waits_for_index: everything is embedded, but the index of a large gallery is still being built.
    """

    samples: int
    embedded: int
    unembedded: int
    faces: int
    previewed: int
    waits_for_index: bool


def progress_of(job: ReEmbedding) -> Progress:
    faces = job.faces.aggregate(all=Count("pk"), waiting=Count("pk", filter=Q(change="")))
    return Progress(
        samples=FaceSample.with_deleted.filter(gallery=job.gallery_id).count(),
        embedded=FaceEmbedding.objects.filter(gallery=job.gallery_id, pack=job.pack).count(),
        unembedded=job.unembedded.count(),
        faces=faces["all"],
        previewed=faces["all"] - faces["waiting"],
        waits_for_index=job.status == ReEmbedding.Status.READY and lacks_index(job.gallery_id, job.pack),
    )


def changes_of(job: ReEmbedding, change: str = "") -> QuerySet[PreviewedFace]:
    """The faces on which the two packs decide differently; only those with this `change` if it is given."""
    rows = job.faces.filter(change__in=[change] if change else DECISION_CHANGES)
    return rows.select_related("face__request", "before_identity", "after_identity").defer(
        "face__crop", "face__vector", "face__request__photo"
    )


def counts_of(job: ReEmbedding) -> dict[str, int]:
    """The number of past decisions per kind of change."""
    counts = dict(job.faces.exclude(change="").order_by().values_list("change").annotate(Count("pk")))
    return {change.value: counts.get(change, 0) for change in Change}


def preview_as_dict(job: ReEmbedding) -> dict[str, Any] | None:
    """The summary of the preview; None until it is complete."""
    return None if job.preview is None else {**job.preview, "decisions": counts_of(job)}
