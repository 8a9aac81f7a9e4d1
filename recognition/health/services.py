"""Gallery health: asking for it, computing it, and saying that something found is fine."""

import itertools
from collections import Counter
from uuid import UUID

from django.utils import timezone

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict
from gallery.models import Gallery
from recognition.health.compute import as_row, find_what_is_wrong, people_without_a_face
from recognition.health.models import HealthFinding, HealthReport
from recognition.photos.thresholds import threshold_of
from recognition.reports.enrolled import load_faces
from recognition.reports.running import request_report, run_report

KEPT = 500  # findings a reason: as many as anybody settles before looking again


def request_health(*, actor: Actor, gallery: Gallery) -> HealthReport:
    """Asks for the gallery to be looked through again; the caller starts the job."""
    actor.require_scope(Scope.ENROL)
    return request_report(actor=actor, model=HealthReport, gallery=gallery)


def run_health(gallery_id: UUID) -> HealthReport | None:
    """Looks the gallery through, if it waits for that. What was found before is replaced; what is fine stays so."""
    return run_report(HealthReport, gallery_id, _compute)


def _compute(report: HealthReport, beat):
    gallery = report.gallery
    limit = threshold_of(gallery).distance
    enrolled = load_faces(gallery)
    report.total = len(enrolled.samples) if enrolled else 0
    beat(0)
    findings = find_what_is_wrong(gallery, enrolled, limit, beat) if enrolled else []
    rows = [as_row(gallery, enrolled, finding) for finding in findings]
    people = len(enrolled.faces.names) if enrolled else 0

    def write() -> dict:
        counts = _replace(gallery, [*rows, *people_without_a_face(gallery)])
        return {"threshold": limit, "people": people, "faces": report.total, "counts": counts}

    return write


def _replace(gallery: Gallery, rows: list[HealthFinding]) -> dict[str, int]:
    """Writes what was found and nobody has called fine. Gives how many there are for each reason."""
    before = HealthFinding.objects.filter(gallery=gallery)
    fine = {finding.key for finding in before.exclude(dismissed_at=None)}
    before.filter(dismissed_at=None).delete()
    rows = sorted((row for row in rows if row.key not in fine), key=lambda row: (row.reason, row.rank))
    for _, some in itertools.groupby(rows, key=lambda row: row.reason):
        HealthFinding.objects.bulk_create(itertools.islice(some, KEPT))
    return dict(Counter(str(row.reason) for row in rows))


@audited
def dismiss_finding(*, actor: Actor, finding: HealthFinding) -> AuditEvent:
    """Says that it is fine: it is not shown again, however often the gallery is looked through."""
    finding = _locked(actor, finding)
    if finding.dismissed_at:
        raise Conflict("Somebody has said already that this is fine.")
    finding.dismissed_at, finding.dismissed_by = timezone.now(), actor.user
    finding.save(update_fields=["dismissed_at", "dismissed_by"])
    return _record(actor, "health.dismissed", finding)


@audited
def restore_finding(*, actor: Actor, finding: HealthFinding) -> AuditEvent:
    """Takes back that it is fine."""
    finding = _locked(actor, finding)
    if not finding.dismissed_at:
        raise Conflict("This is shown already.")
    finding.dismissed_at = finding.dismissed_by = None
    finding.save(update_fields=["dismissed_at", "dismissed_by"])
    return _record(actor, "health.restored", finding)


def _locked(actor: Actor, finding: HealthFinding) -> HealthFinding:
    actor.require_scope(Scope.ENROL)
    actor.require_role(finding.gallery, Role.CURATOR)
    rows = HealthFinding.objects.select_for_update(of=("self",)).select_related("gallery", "identity")
    found = rows.filter(pk=finding.pk).first()
    if found is None:
        raise Conflict("The gallery has been looked through again meanwhile. Look at the page again.")
    return found


def _record(actor: Actor, action: str, finding: HealthFinding) -> AuditEvent:
    details = {"reason": finding.reason, "sample": str(finding.sample_id or ""), "other": str(finding.other_id or "")}
    return audit.record(actor=actor, action=action, gallery=finding.gallery, target=finding.identity, details=details)
