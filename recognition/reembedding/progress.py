"""How far a re-embedding is, and what it would change: as the API, the command line and the pages show it."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from gallery.models import FaceEmbedding, FaceSample
from gallery.search.indexing import lacks_index
from recognition.reembedding.models import PreviewedFace, ReEmbedding

Change = PreviewedFace.Change
SHOWN = (Change.TO_UNKNOWN, Change.TO_KNOWN, Change.OTHER_PERSON)


@dataclass(frozen=True, slots=True)
class Progress:
    """samples, embedded: enrolled faces, also those whose deletion can be undone. unembedded: those that cannot be.

    faces, previewed: of past recognitions. waits_for_index: all is embedded, but the gallery is large and its index
    under the new pack is not built yet.
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


def changes_of(job: ReEmbedding, change: str = ""):
    """The faces on which the packs decide differently, those that lose their name first."""
    rows = job.faces.filter(change__in=[change] if change else SHOWN)
    return rows.select_related("face__request", "before_identity", "after_identity").defer(
        "face__crop", "face__vector", "face__request__photo"
    )


def counts_of(job: ReEmbedding) -> dict[str, int]:
    """How many past decisions would change, and how."""
    found = dict(job.faces.exclude(change="").order_by().values_list("change").annotate(Count("pk")))
    return {change.value: found.get(change, 0) for change in Change}


def preview_as_dict(job: ReEmbedding) -> dict[str, Any] | None:
    """The summary of the preview; None as long as it is not complete."""
    return None if job.preview is None else {**job.preview, "decisions": counts_of(job)}
