"""Sightings and unknown people as JSON. Merged people are shown under their present name."""

from typing import Any

from django.urls import reverse

from gallery.models import Identity
from recognition.cameras.models import Sighting, SightingFace, UnknownPerson
from recognition.photos.liveness import liveness_as_dict
from recognition.photos.representation import identity_as_dict
from recognition.sightings.corrections import CorrectionResult
from recognition.sightings.services import NamingResult


def sighting_as_dict(sighting: Sighting) -> dict[str, Any]:
    """sighting: read by `with_people` and `with_faces`."""
    return {
        "id": str(sighting.pk),
        "gallery": sighting.gallery.slug,
        "camera": {"id": str(sighting.camera_id), "slug": sighting.camera.slug, "name": sighting.camera.name},
        "decision": sighting.decision,
        "identity": person_as_dict(sighting.identity),
        "unknown": unknown_reference(sighting.unknown),
        "reason": sighting.reason,
        "first_seen": sighting.first_seen,
        "last_seen": sighting.last_seen,
        "frames": sighting.frames,
        "distance": sighting.distance,
        "margin": sighting.margin,
        "threshold": sighting.threshold,
        "pack": sighting.pack,
        "closed": sighting.closed,
        "named_by": sighting.named_later_by.get_username() if sighting.named_later_by else None,
        "named_at": sighting.named_at,
        "follows": str(sighting.follows_id) if sighting.follows_id else None,
        "liveness": liveness_as_dict([face.liveness for face in sighting.faces.all()]),
        "faces": [_face_as_dict(face) for face in sighting.faces.all()],
    }


def unknown_as_dict(unknown: UnknownPerson) -> dict[str, Any]:
    """unknown: read by `with_best_face` and `with_suggestions`."""
    sighting, rank = unknown.face_sighting, unknown.face_rank  # type: ignore[attr-defined]
    return {
        "id": str(unknown.pk),
        "gallery": unknown.gallery.slug,
        "number": unknown.number,
        "first_seen": unknown.first_seen,
        "last_seen": unknown.last_seen,
        "sightings": unknown.sightings_count,
        "ignored": unknown.ignored,
        "identity": person_as_dict(unknown.identity),
        "merged_into": unknown_reference(unknown.merged_into),
        "face": reverse("api:sighting-face", args=[sighting, rank]) if sighting else None,
        "may_be": [
            {
                "identity": person_as_dict(row.identity),
                "unknown": unknown_reference(row.other),
                "distance": round(row.distance, 4),
            }
            for row in unknown.suggestions.all()
        ],
    }


def naming_as_dict(result: NamingResult) -> dict[str, Any]:
    return {
        "event": str(result.event.pk),
        "identity": person_as_dict(result.identity),
        "enrolled": [str(sample.pk) for sample in result.samples],
        "refused": refused_as_dicts(result),
    }


def refused_as_dicts(result: NamingResult | CorrectionResult) -> list[dict[str, str]]:
    return [{"face": str(row.face), "code": row.code, "detail": row.message} for row in result.refused]


def person_as_dict(identity: Identity | None) -> dict[str, Any] | None:
    """The person as they are called now; None if there is none, or they have been deleted."""
    current = identity.current if identity else None
    return identity_as_dict(current) if current else None


def unknown_reference(unknown: UnknownPerson | None) -> dict[str, Any] | None:
    return {"id": str(unknown.pk), "number": unknown.number} if unknown else None


def _face_as_dict(face: SightingFace) -> dict[str, Any]:
    return {
        "id": str(face.pk),
        "rank": face.rank,
        "taken_at": face.taken_at,
        "detection_score": face.detection_score,
        "quality": {"score": face.quality_score, "reasons": face.reasons},
        "liveness": liveness_as_dict([face.liveness]),
        "jpeg": reverse("api:sighting-face", args=[face.sighting_id, face.rank]),
    }
