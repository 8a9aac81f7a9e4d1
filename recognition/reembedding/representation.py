"""A re-embedding and its preview as the API and the command line return them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.db.models import Prefetch, prefetch_related_objects

from gallery.models import Identity
from recognition.photos.representation import identity_as_dict
from recognition.reembedding.models import PreviewedFace, ReEmbedding, UnembeddedSample
from recognition.reembedding.progress import Progress, counts_of_all, preview_as_dict, progress_of_all

UNEMBEDDED_SHOWN = 100


def reembedding_as_dict(job: ReEmbedding) -> dict[str, Any]:
    """Takes a re-embedding with its gallery loaded."""
    return reembeddings_as_dicts([job])[0]


def reembeddings_as_dicts(jobs: Sequence[ReEmbedding]) -> list[dict[str, Any]]:
    """Takes re-embeddings with their galleries loaded. The queries do not depend on how many there are."""
    first_unembedded = UnembeddedSample.objects.order_by("id")[:UNEMBEDDED_SHOWN]
    prefetch_related_objects(jobs, Prefetch("unembedded", queryset=first_unembedded, to_attr="first_unembedded"))
    progress, counts = progress_of_all(jobs), counts_of_all([job for job in jobs if job.preview is not None])
    return [_as_dict(job, progress[job.pk], counts.get(job.pk)) for job in jobs]


def _as_dict(job: Any, progress: Progress, counts: dict[str, int] | None) -> dict[str, Any]:
    return {
        "id": str(job.pk),
        "gallery": job.gallery.slug,
        "old_pack": job.old_pack,
        "pack": job.pack,
        "way_back": job.restores_id is not None,
        "status": job.status,
        "stage": job.stage,
        "progress": asdict(progress),
        "preview": preview_as_dict(job, counts),
        "unembedded": [{"sample": str(row.sample_id), "reason": row.reason} for row in job.first_unembedded],
        "error_message": job.error_message,
        "created_at": job.created_at.isoformat(),
        "cut_over_at": job.cut_over_at and job.cut_over_at.isoformat(),
    }


def change_as_dict(row: PreviewedFace) -> dict[str, Any]:
    """Takes a row of `changes_of()`."""
    return {
        "recognition": str(row.face.request_id),
        "face": row.face.index,
        "photo": row.face.request.photo_name,
        "created_at": row.face.request.created_at.isoformat(),
        "change": row.change,
        "before": _side(row.before, row.before_identity, row.before_distance),
        "after": _side(row.after, row.after_identity, row.after_distance),
    }


def _side(decision: str, identity: Identity | None, distance: float | None) -> dict[str, Any]:
    return {
        "decision": decision,
        "identity": identity_as_dict(identity) if identity else None,
        "distance": None if distance is None else round(distance, 4),
    }
