"""The progress of a re-embedding and what it would change, for the API, the command line and the pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from gallery.models import FaceEmbedding, FaceSample
from gallery.search.indexing import lacks_index
from recognition.reembedding.models import PreviewedFace, ReEmbedding, UnembeddedSample

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
    return progress_of_all([job])[job.pk]


def progress_of_all(jobs: Sequence[ReEmbedding]) -> dict[UUID, Progress]:
    """The progress of each, with as many counts for many as for one. Only one in a gallery can wait for its index."""
    galleries = {job.gallery_id for job in jobs}
    samples = _counted(FaceSample.with_deleted.filter(gallery__in=galleries), "gallery")
    vectors = FaceEmbedding.objects.filter(gallery__in=galleries, pack__in={job.pack for job in jobs})
    embedded = _counted(vectors, "gallery", "pack")
    unembedded = _counted(UnembeddedSample.objects.filter(job__in=jobs), "job")
    faces = _counted(PreviewedFace.objects.filter(job__in=jobs), "job")
    waiting = _counted(PreviewedFace.objects.filter(job__in=jobs, change=""), "job")
    return {
        job.pk: Progress(
            samples=samples.get((job.gallery_id,), 0),
            embedded=embedded.get((job.gallery_id, job.pack), 0),
            unembedded=unembedded.get((job.pk,), 0),
            faces=faces.get((job.pk,), 0),
            previewed=faces.get((job.pk,), 0) - waiting.get((job.pk,), 0),
            waits_for_index=job.status == ReEmbedding.Status.READY and lacks_index(job.gallery_id, job.pack),
        )
        for job in jobs
    }


def _counted(rows: QuerySet[Any], *by: str) -> dict[tuple[Any, ...], int]:
    return {tuple(key): count for *key, count in rows.order_by().values_list(*by).annotate(Count("pk"))}


def changes_of(job: ReEmbedding, change: str = "") -> QuerySet[PreviewedFace]:
    """The faces on which the two packs decide differently; only those with this `change` if it is given."""
    rows = job.faces.filter(change__in=[change] if change else DECISION_CHANGES)
    return rows.select_related("face__request", "before_identity", "after_identity").defer(
        "face__crop", "face__vector", "face__request__photo"
    )


def counts_of(job: ReEmbedding) -> dict[str, int]:
    """The number of past decisions per kind of change."""
    return counts_of_all([job])[job.pk]


def counts_of_all(jobs: Sequence[ReEmbedding]) -> dict[UUID, dict[str, int]]:
    """The same for many, counted together."""
    counts = _counted(PreviewedFace.objects.filter(job__in=jobs).exclude(change=""), "job", "change")
    return {job.pk: {change.value: counts.get((job.pk, change.value), 0) for change in Change} for job in jobs}


def preview_as_dict(job: ReEmbedding, counts: dict[str, int] | None = None) -> dict[str, Any] | None:
    """The summary of the preview; None until it is complete. counts: those of `counts_of()`, if they are known."""
    if job.preview is None:
        return None
    return {**job.preview, "decisions": counts_of(job) if counts is None else counts}
