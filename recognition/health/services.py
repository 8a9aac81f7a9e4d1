"""Gallery health: requesting it, computing it, and marking findings as fine."""

import itertools
from collections import Counter
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict
from gallery.models import Gallery
from recognition.health.compute import as_row, compute_findings, people_without_a_face
from recognition.health.models import HealthFinding, HealthReport
from recognition.photos.thresholds import threshold_of
from recognition.reports.enrolled import load_faces
from recognition.reports.running import Progress, Write, request_report, run_report

MOST_PER_REASON = 500  # findings kept; nobody settles more before checking again


def request_health(*, actor: Actor, gallery: Gallery) -> HealthReport:
    """Queues a check of the gallery; the caller starts the job. Raises Conflict (runs_already) while one is running."""
    actor.require_scope(Scope.ENROL)
    return request_report(actor=actor, model=HealthReport, gallery=gallery)


def run_health(gallery_id: UUID) -> HealthReport | None:
    """Checks the gallery, if a check is queued. Replaces the earlier findings, except those marked as fine."""
    return run_report(HealthReport, gallery_id, _compute)


def _compute(report: HealthReport, progress: Progress) -> Write:
    gallery = report.gallery
    threshold = threshold_of(gallery).distance
    enrolled = load_faces(gallery)
    report.total = len(enrolled.samples) if enrolled else 0
    progress(0)
    rows, people = [], 0
    if enrolled:
        findings = compute_findings(gallery, enrolled, threshold, progress)
        rows, people = [as_row(gallery, enrolled, finding) for finding in findings], len(enrolled.faces.names)

    def write() -> dict[str, Any]:
        counts = _replace(gallery, [*rows, *people_without_a_face(gallery)])
        return {"threshold": threshold, "people": people, "faces": report.total, "counts": counts}

    return write


def _replace(gallery: Gallery, rows: list[HealthFinding]) -> dict[str, int]:
    """Replaces the findings, except those marked as fine. Returns how many new ones there are for each reason."""
    before = HealthFinding.objects.filter(gallery=gallery)
    fine = {finding.key for finding in before.exclude(dismissed_at=None)}
    before.filter(dismissed_at=None).delete()
    rows = sorted((row for row in rows if row.key not in fine), key=lambda row: (row.reason, row.rank))
    for _reason, of_reason in itertools.groupby(rows, key=lambda row: row.reason):
        HealthFinding.objects.bulk_create(itertools.islice(of_reason, MOST_PER_REASON))
    return dict(Counter(str(row.reason) for row in rows))


@audited
def dismiss_finding(*, actor: Actor, finding: HealthFinding) -> AuditEvent:
    """Marks the finding as fine, so that later checks do not report it again. Raises Conflict if it is already so marked."""
    finding = _locked(actor, finding)
    if finding.dismissed_at:
        raise Conflict(_("This is already marked as fine."))
    finding.dismissed_at, finding.dismissed_by = timezone.now(), actor.user
    finding.save(update_fields=["dismissed_at", "dismissed_by"])
    return _record(actor, "health.dismissed", finding)


@audited
def restore_finding(*, actor: Actor, finding: HealthFinding) -> AuditEvent:
    """Shows a finding again that was marked as fine. Raises Conflict if it is not so marked."""
    finding = _locked(actor, finding)
    if not finding.dismissed_at:
        raise Conflict(_("This is already shown."))
    finding.dismissed_at = finding.dismissed_by = None
    finding.save(update_fields=["dismissed_at", "dismissed_by"])
    return _record(actor, "health.restored", finding)


def _locked(actor: Actor, finding: HealthFinding) -> HealthFinding:
    actor.require_scope(Scope.ENROL)
    actor.require_role(finding.gallery, Role.CURATOR)
    rows = HealthFinding.objects.select_for_update(of=("self",)).select_related("gallery", "identity")
    locked = rows.filter(pk=finding.pk).first()
    if locked is None:
        raise Conflict(_("The gallery has been checked again in the meantime. Reload the page."))
    return locked


def _record(actor: Actor, action: str, finding: HealthFinding) -> AuditEvent:
    details = {"reason": finding.reason, "sample": str(finding.sample_id or ""), "other": str(finding.other_id or "")}
    return audit.record(actor=actor, action=action, gallery=finding.gallery, target=finding.identity, details=details)
