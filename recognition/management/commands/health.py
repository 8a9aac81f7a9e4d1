"""Checks a gallery for faces and people that look wrong. Works without a running platform."""

import json
from collections import Counter

from django.core.management.base import BaseCommand, CommandError

from accounts.actor import cli_actor
from faceplatform.errors import DomainError
from recognition.health.models import HealthFinding, HealthReport
from recognition.health.representation import finding_as_dict
from recognition.health.services import request_health, run_health
from recognition.management.galleries import find_gallery


class Command(BaseCommand):
    help = (
        "Compares each face of a gallery with all others, and lists faces that do not fit, people who are enrolled twice and "
        "weak people."
    )

    def add_arguments(self, parser):
        parser.add_argument("--gallery", required=True, metavar="SLUG")
        parser.add_argument("--json", action="store_true", help="print the findings as one JSON list")

    def handle(self, *, gallery, json: bool, **options):
        gallery = find_gallery(gallery)
        try:
            report = run_health(request_health(actor=cli_actor(), gallery=gallery).pk)
        except DomainError as error:
            raise CommandError(error.message) from error
        if report is None or report.status == HealthReport.Status.FAILED:
            raise CommandError(report.error_message if report else "Another process is checking this gallery.")
        self._print(report, as_json=json)

    def _print(self, report: HealthReport, *, as_json: bool) -> None:
        rows = HealthFinding.objects.filter(gallery=report.gallery, dismissed_at=None).with_people()
        kinds = HealthFinding.Kind.values
        findings = [
            finding_as_dict(row, report.threshold) for row in sorted(rows, key=lambda row: kinds.index(row.kind))
        ]
        if as_json:
            self.stdout.write(json.dumps(findings, ensure_ascii=False))
            return
        for finding in findings:
            sample = f" ({finding['photo_name']})" if finding["photo_name"] else ""
            self.stdout.write(f"{finding['kind']:<9} {finding['identity']['name']}{sample}: {finding['text']}")
        counts = Counter(finding["kind"] for finding in findings)
        self.stdout.write(
            f"{report.faces} faces of {report.people} people in {report.seconds:.1f} s, threshold {report.threshold:.3f}: "
            f"{counts['outlier']} faces that do not fit, {counts['duplicate']} people enrolled twice, "
            f"{counts['weak']} weak people."
        )
