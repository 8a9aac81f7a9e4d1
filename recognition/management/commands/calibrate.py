"""Measures a gallery's own error rates and advises a threshold. Works without a running platform."""

import json

from django.core.management.base import BaseCommand, CommandError

from accounts.actor import cli_actor
from faceplatform.errors import DomainError
from recognition.calibration.models import CalibrationReport
from recognition.calibration.services import advice_for, apply_calibration, request_calibration, run_calibration
from recognition.management.galleries import find_gallery


class Command(BaseCommand):
    help = (
        "Compares a gallery's faces with each other and advises a threshold for the chosen FPIR, the share of strangers who "
        "may be mistaken for somebody."
    )

    def add_arguments(self, parser):
        parser.add_argument("--gallery", required=True, metavar="SLUG")
        parser.add_argument("--fpir", type=float, help="the target rate, such as 0.01; default: the gallery's")
        parser.add_argument("--apply", action="store_true", help="put the advised threshold in force")
        parser.add_argument("--json", action="store_true", help="print everything that was measured, as JSON")

    def handle(self, *, gallery, fpir, apply, json: bool, **options):
        actor = cli_actor()
        gallery = find_gallery(gallery)
        try:
            report = run_calibration(request_calibration(actor=actor, gallery=gallery, fpir=fpir).pk)
            if report is None or report.status == CalibrationReport.Status.FAILED:
                raise CommandError(report.error_message if report else "Another process is measuring this gallery.")
            self._print(report, as_json=json)
            if apply:
                changed = apply_calibration(actor=actor, gallery=gallery)
                self.stderr.write(f"In force: {changed.threshold_distance:.3f}")
        except DomainError as error:
            raise CommandError(error.message) from error

    def _print(self, report: CalibrationReport, *, as_json: bool) -> None:
        if as_json:
            body = {"gallery": report.gallery.slug, "pack": report.pack, **report.result}
            self.stdout.write(json.dumps(body, ensure_ascii=False))
            return
        result, advice = report.result, advice_for(report)
        self.stdout.write(
            f"{result['faces']} faces of {result['people']} people, {result['pairs']['genuine']} pairs of one person, "
            f"{result['pairs']['impostor']} of two; {result['searches']['impostor']} comparisons of a face with a person."
        )
        for row in result["advice"]:
            self.stdout.write(f"{'>' if row is advice else ' '} FPIR {row['fpir']:<6g} {_in_words(row)}")


def _in_words(row: dict) -> str:
    if row["distance"] is None:
        if not (row["needed_people"] or row["needed_faces"]):
            return "no threshold is advised: two people have the same photo; run manage.py health"
        needed = (
            f"at least {row['needed_people']} people" if row["needed_people"] else f"about {row['needed_faces']} faces"
        )
        return f"no threshold is advised: {needed} are needed"
    missed = (
        "" if row["frr"] is None else f", not found {row['frr']:.2%} ({row['frr_low']:.2%} to {row['frr_high']:.2%})"
    )
    return f"threshold {row['distance']:.3f} (90 %: {row['low']:.3f} to {row['high']:.3f}){missed}"
