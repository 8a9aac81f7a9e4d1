"""A re-embedding and its preview as the API and the command line return them."""

from dataclasses import asdict
from typing import Any

from gallery.models import Identity
from recognition.photos.representation import identity_as_dict
from recognition.reembedding.models import PreviewedFace, ReEmbedding
from recognition.reembedding.progress import preview_as_dict, progress_of


def reembedding_as_dict(job: ReEmbedding) -> dict[str, Any]:
    """Takes a re-embedding with its gallery loaded."""
    return {
        "id": str(job.pk),
        "gallery": job.gallery.slug,
        "old_pack": job.old_pack,
        "pack": job.pack,
        "way_back": job.restores_id is not None,
        "status": job.status,
        "stage": job.stage,
        "progress": asdict(progress_of(job)),
        "preview": preview_as_dict(job),
        "unembedded": [
            {"sample": str(row.sample_id), "reason": row.reason} for row in job.unembedded.order_by("id")[:100]
        ],
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
