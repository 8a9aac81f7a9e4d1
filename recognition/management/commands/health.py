"""Looks a gallery through for faces and people that look wrong. Works without a running platform."""

import json
from collections import Counter

from django.core.management.base import BaseCommand, CommandError

from accounts.actor import cli_actor
from faceplatform.errors import DomainError
from gallery.models import Gallery
from recognition.health.models import HealthFinding, HealthReport
from recognition.health.representation import finding_as_dict
from recognition.health.services import request_health, run_health


class Command(BaseCommand):
    help = "Compares each face of a gallery with all others; lists faces that do not fit, people enrolled twice, weak people."

    def add_arguments(self, parser):
        parser.add_argument("--gallery", required=True, metavar="SLUG")
        parser.add_argument("--json", action="store_true")

    def handle(self, *, gallery, json: bool, **options):
        found = Gallery.objects.filter(slug=gallery).first()
        if found is None:
            raise CommandError(f"There is no gallery “{gallery}”.")
        try:
            report = run_health(request_health(actor=cli_actor(), gallery=found).pk)
        except DomainError as error:
            raise CommandError(error.message) from error
        if report is None or report.status == HealthReport.Status.FAILED:
            raise CommandError(report.error_message if report else "Another process looks it through just now.")
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
        kinds = Counter(finding["kind"] for finding in findings)
        self.stdout.write(
            f"{report.faces} faces of {report.people} people in {report.seconds:.1f} s, threshold {report.threshold:.3f}: "
            f"{kinds['outlier']} faces that do not fit, {kinds['duplicate']} people twice, {kinds['weak']} weak people."
        )
