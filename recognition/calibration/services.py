"""Calibration: a gallery's own error rates, the threshold they advise, and putting it in force."""

from dataclasses import asdict
from uuid import UUID

import numpy as np

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
from recognition.reports.running import request_report, run_report

FPIRS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1)
SMALLEST_FPIR, LARGEST_FPIR = 0.0001, 0.5  # as a gallery's target
MOST_FACES = 20_000  # compared each with each; of a larger gallery people are drawn until there are so many
SEED = 0


def request_calibration(*, actor: Actor, gallery: Gallery, fpir: float | None = None) -> CalibrationReport:
    """Asks for the error rates to be measured; the caller starts the job. fpir: wanted; else the gallery's target."""
    actor.require_scope(Scope.MANAGE)
    fpir = gallery.target_fpir if fpir is None else fpir
    if not SMALLEST_FPIR <= fpir <= LARGEST_FPIR:
        raise InvalidInput(f"fpir must be {SMALLEST_FPIR} to {LARGEST_FPIR}: 0.01 lets one stranger in a hundred pass.")
    return request_report(actor=actor, model=CalibrationReport, gallery=gallery, fpir=fpir)


def run_calibration(gallery_id: UUID) -> CalibrationReport | None:
    """Measures, if the gallery waits for it."""
    return run_report(CalibrationReport, gallery_id, _compute)


def apply_calibration(*, actor: Actor, gallery: Gallery, fpir: float | None = None) -> Gallery:
    """Puts the advised threshold in force; fpir: which of the report's, else the one asked for.

    Raises Conflict (not_calibrated, too_few_faces, pack_changed) where there is no advice for the pack in force.
    """
    actor.require_scope(Scope.MANAGE)
    actor.require_role(gallery, Role.OWNER)
    report = CalibrationReport.objects.filter(gallery=gallery).first()
    if report is None or report.computed_at is None:
        raise Conflict("The gallery has not been calibrated yet. Measure first.", code="not_calibrated")
    advice = advice_for(report, fpir)
    if advice is None:
        raise InvalidInput("This FPIR was not calculated. Measure again with it.")
    if advice["distance"] is None:
        raise Conflict(
            "Nothing is advised for this FPIR: the gallery has too few faces, or people twice.", code="too_few_faces"
        )
    details = {name: advice[name] for name in ("fpir", "far", "people", "estimate", "low", "high", "frr")}
    details |= {"measured_at": report.computed_at.isoformat(), **report.result["searches"]}
    return calibrate_gallery(
        actor=actor, gallery=gallery, pack=report.pack, distance=advice["distance"], details=details
    )


def advice_for(report: CalibrationReport, fpir: float | None = None) -> dict | None:
    """Of what stands, for the FPIR it was measured for or another of those calculated; None where this is none of them."""
    wanted = report.result["fpir"] if fpir is None else fpir
    return next((row for row in report.result["advice"] if abs(row["fpir"] - wanted) < 1e-9), None)


def _compute(report: CalibrationReport, beat):
    gallery = report.gallery
    loosest = manifest_of(gallery.pack).threshold_1to1
    enrolled = load_faces(gallery)
    if enrolled is None or len(enrolled.faces.names) < 2:
        raise Conflict("Nobody can be compared: enrol at least two people first.", code="too_few_faces")
    faces = enrolled.faces
    some = drawn_people(faces, MOST_FACES)
    report.total = len(some)
    beat(0)
    found = compare(some, progress=beat)
    fpirs = sorted({*FPIRS, report.fpir})
    everybody = len(some) == len(faces)
    advice = advise(found, fpirs, people=len(faces.names), loosest=loosest, everybody=everybody, seed=SEED)
    result = _as_result(faces, found) | {
        "fpir": report.fpir,
        "threshold_1to1": loosest,
        "advice": [asdict(row) for row in advice],
    }
    return lambda: {"result": result}


def drawn_people(faces: Faces, most: int) -> Faces:
    """All faces, or those of people drawn at random, the same at every run, until there are `most`."""
    if len(faces) <= most:
        return faces
    order = np.random.default_rng(SEED).permutation(len(faces.names))
    drawn = order[: np.searchsorted(np.cumsum(faces.sizes[order]), most, "right")]
    rows = np.isin(faces.people, drawn)
    return Faces(faces.people[rows], faces.vectors[rows])


def _as_result(faces: Faces, found: Comparisons) -> dict:
    return {
        "people": len(faces.names),
        "faces": len(faces),
        "compared": {"people": len(found.sizes), "faces": int(found.sizes.sum())},
        "pairs": {"genuine": int(found.genuine_pairs.sum()), "impostor": int(found.impostor_pairs.sum())},
        "searches": {"genuine": len(found.own), "impostor": found.impostors},
        "rates": rates(found),
        "histogram": _histogram(found),
    }


def _histogram(found: Comparisons) -> dict:
    """Counts of pairs from the bin `first` on, bins of `step`."""
    filled = np.flatnonzero(found.genuine_pairs + found.impostor_pairs)
    bins = slice(int(filled[0]), int(filled[-1]) + 1)
    counts = {"genuine": found.genuine_pairs[bins].tolist(), "impostor": found.impostor_pairs[bins].tolist()}
    return {"step": STEP, "first": round(bins.start * STEP, 4)} | counts
