"""A finding as JSON, for the API and the command line."""

from typing import Any
from uuid import UUID

from gallery.models import Identity
from recognition.health.fixes import fixes_of
from recognition.health.models import HealthFinding
from recognition.health.words import explain


def finding_as_dict(finding: HealthFinding, threshold: float | None) -> dict[str, Any]:
    """finding: read by `with_people`. threshold: the report's."""
    return {
        "id": str(finding.pk),
        "kind": finding.kind,
        "reason": finding.reason,
        "text": explain(finding, threshold),
        "identity": _person(finding.identity),
        "sample_id": _key(finding.sample_id if finding.kind != HealthFinding.Kind.WEAK else None),
        "photo_name": finding.sample.photo_name
        if finding.sample and finding.kind == HealthFinding.Kind.OUTLIER
        else "",
        "own_sample_id": _key(finding.own_sample_id),
        "own_distance": finding.own_distance,
        "other": _person(finding.other) if finding.other else None,
        "other_sample_id": _key(finding.other_sample_id),
        "distance": finding.distance,
        "found": finding.found,
        "total": finding.total,
        "samples": [str(key) for key in finding.samples],
        "fixes": list(fixes_of(finding)),
        "dismissed_at": finding.dismissed_at,
    }


def _person(person: Identity) -> dict[str, str]:
    return {"id": str(person.pk), "name": person.name, "external_id": person.external_id}


def _key(key: UUID | None) -> str | None:
    return str(key) if key else None
