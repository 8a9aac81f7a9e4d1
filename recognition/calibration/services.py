"""Calibration: measures a gallery's own error rates, advises a threshold, and puts it in force."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

import numpy as np
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict, InvalidInput
from gallery.models import Gallery
from gallery.services import calibrate_gallery
from recognition.calibration.models import CalibrationReport
from recognition.lab.evaluation.calibration import STEP, Comparisons, advise, compare, rates
from recognition.lab.evaluation.neighbours import Faces
from recognition.photos.installed_packs import manifest_of
from recognition.reports.enrolled import load_faces
from recognition.reports.running import Progress, Write, request_report, run_report

FPIRS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1)
SMALLEST_FPIR, LARGEST_FPIR = 0.0001, 0.5  # the limits of a gallery's target_fpir
MOST_FACES = 20_000  # all of which are compared with each other; from a larger gallery, people are drawn up to this
SEED = 0


def request_calibration(*, actor: Actor, gallery: Gallery, fpir: float | None = None) -> CalibrationReport:
    """Queues a measurement of the error rates; the caller starts the job. fpir: default the gallery's target.

    Raises InvalidInput for a rate out of range, Conflict (runs_already) while a measurement is running.
    """
    actor.require_scope(Scope.MANAGE)
    fpir = gallery.target_fpir if fpir is None else fpir
    if not SMALLEST_FPIR <= fpir <= LARGEST_FPIR:
        raise InvalidInput(f"fpir must be {SMALLEST_FPIR} to {LARGEST_FPIR}; 0.01 lets one stranger in a hundred pass.")
    return request_report(actor=actor, model=CalibrationReport, gallery=gallery, fpir=fpir)


def run_calibration(gallery_id: UUID) -> CalibrationReport | None:
    """Measures the gallery's error rates, if a measurement is queued."""
    return run_report(CalibrationReport, gallery_id, _compute)


def apply_calibration(*, actor: Actor, gallery: Gallery, fpir: float | None = None) -> Gallery:
    """Puts the advised threshold in force. fpir: one of the report's; default the one it was measured for.

    Raises InvalidInput for another FPIR, Conflict (not_calibrated, too_few_faces, pack_changed) if there is no advice for it
    under the gallery's pack.
    """
    actor.require_scope(Scope.MANAGE)
    actor.require_role(gallery, Role.OWNER)
    report = CalibrationReport.objects.filter(gallery=gallery).first()
    if report is None or report.computed_at is None:
        raise Conflict(_("The gallery has not been calibrated yet. Measure first."), code="not_calibrated")
    advice = advice_for(report, fpir)
    if advice is None:
        raise InvalidInput(_("There is no result for this FPIR. Measure again with it."))
    if advice["distance"] is None:
        raise Conflict(
            _("No threshold is advised for this FPIR: the gallery has too few faces, or has people enrolled twice."),
            code="too_few_faces",
        )
    details = {name: advice[name] for name in ("fpir", "far", "people", "estimate", "low", "high", "frr")}
    details |= {"measured_at": report.computed_at.isoformat(), **report.result["searches"]}
    return calibrate_gallery(
        actor=actor, gallery=gallery, pack=report.pack, distance=advice["distance"], details=details
    )


def advice_for(report: CalibrationReport, fpir: float | None = None) -> dict[str, Any] | None:
    """The row of result["advice"] for an FPIR; default the one the result was measured for. None if there is no such row."""
    target = report.result["fpir"] if fpir is None else fpir
    return next((row for row in report.result["advice"] if abs(row["fpir"] - target) < 1e-9), None)


def _compute(report: CalibrationReport, progress: Progress) -> Write:
    gallery = report.gallery
    loosest = manifest_of(gallery.pack).threshold_1to1
    enrolled = load_faces(gallery)
    if enrolled is None or len(enrolled.faces.names) < 2:
        raise Conflict(_("There is nobody to compare. Enrol at least two people first."), code="too_few_faces")
    faces = enrolled.faces
    drawn = draw_people(faces, MOST_FACES)
    report.total = len(drawn)
    progress(0)
    comparisons = compare(drawn, progress=progress)
    fpirs = sorted({*FPIRS, report.fpir})
    everybody = len(drawn) == len(faces)
    advice = advise(comparisons, fpirs, people=len(faces.names), loosest=loosest, everybody=everybody, seed=SEED)
    result = _as_result(faces, comparisons) | {
        "fpir": report.fpir,
        "threshold_1to1": loosest,
        "advice": [asdict(row) for row in advice],
    }
    return lambda: {"result": result}


def draw_people(faces: Faces, most: int) -> Faces:
    """All faces if they are at most `most`; otherwise those of people drawn at random, the same ones at every run."""
    if len(faces) <= most:
        return faces
    order = np.random.default_rng(SEED).permutation(len(faces.names))
    drawn = order[: np.searchsorted(np.cumsum(faces.sizes[order]), most, "right")]
    rows = np.isin(faces.people, drawn)
    return Faces(faces.people[rows], faces.vectors[rows])


def _as_result(faces: Faces, comparisons: Comparisons) -> dict:
    return {
        "people": len(faces.names),
        "faces": len(faces),
        "compared": {"people": len(comparisons.sizes), "faces": int(comparisons.sizes.sum())},
        "pairs": {"genuine": int(comparisons.genuine_pairs.sum()), "impostor": int(comparisons.impostor_pairs.sum())},
        "searches": {"genuine": len(comparisons.own), "impostor": comparisons.impostors},
        "rates": rates(comparisons),
        "histogram": _histogram(comparisons),
    }


def _histogram(comparisons: Comparisons) -> dict:
    """Numbers of pairs in bins of width `step`; the first bin begins at the distance `first`."""
    filled = np.flatnonzero(comparisons.genuine_pairs + comparisons.impostor_pairs)
    bins = slice(int(filled[0]), int(filled[-1]) + 1)
    counts = {
        "genuine": comparisons.genuine_pairs[bins].tolist(),
        "impostor": comparisons.impostor_pairs[bins].tolist(),
    }
    return {"step": STEP, "first": round(bins.start * STEP, 4)} | counts
