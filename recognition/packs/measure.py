"""Measures a pack's FAR curve on photos of people, with the pipeline that the platform runs.

Every photo is embedded both as an enrolment and as a probe. All pairs of two different photos count.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from recognition.engine.base import PhotoAnalysis
from recognition.engine.manifest import Manifest, PackError, write_manifest
from recognition.engine.pipeline import Pipeline

STEP = 0.01
LOWEST_TAR = 0.8  # the curve begins here, or at the first stranger who passes
LARGEST_FAR = 0.03  # the curve ends here: no sensible threshold lets more strangers pass
FAR_1TO1 = 0.001  # at the 1:1 threshold


@dataclasses.dataclass(frozen=True, slots=True)
class FarMeasurement:
    """curve: [distance, FAR, TAR] rows. pairs: {"genuine", "impostor"}. missed: photos in which no face was found."""

    curve: list[list[float]]
    pairs: dict[str, int]
    photos: int
    people: int
    missed: list[Path]


def curve(enrolled: np.ndarray, probes: np.ndarray, people: np.ndarray) -> tuple[list[list[float]], dict[str, int]]:
    """Computes the FAR curve of n photos. enrolled, probes: float32 (n, dim). people: (n,), who each shows.

    Returns [distance, FAR, TAR] rows, the first perhaps with a FAR of 0, and the numbers of {"genuine", "impostor"} pairs.
    """
    squares = (enrolled**2).sum(1)[:, None] + (probes**2).sum(1)[None] - 2 * enrolled @ probes.T
    distances = np.sqrt(np.maximum(squares, 0))
    same = people[:, None] == people[None]
    genuine = np.sort(distances[same & ~np.eye(len(people), dtype=bool)])
    impostor = np.sort(distances[~same])
    rows = []
    start = min(impostor[0], np.quantile(genuine, LOWEST_TAR))
    for distance in np.arange(np.floor(start / STEP) * STEP, impostor[-1], STEP):
        far, tar = (float(np.searchsorted(pairs, distance, "right") / len(pairs)) for pairs in (impostor, genuine))
        if far > 0 or tar >= LOWEST_TAR:
            rows.append([round(float(distance), 2), float(f"{far:.3g}"), round(tar, 4)])
        if far > LARGEST_FAR:
            break
    return rows, {"genuine": len(genuine), "impostor": len(impostor)}


def measure(
    pipeline: Pipeline, folder: Path, progress: Callable[[int, int], object] = lambda number, total: None
) -> FarMeasurement:
    """Measures a loaded pack on `folder`, which holds a folder of photos for each person.

    progress: called with (photos done, photos in all). Raises PackError if there are too few photos or people.
    """
    photos = sorted(path for path in folder.glob("*/*") if path.is_file())
    enrolled: list[np.ndarray] = []
    probes: list[np.ndarray] = []
    people, missed = [], []
    for number, path in enumerate(photos, 1):
        data = path.read_bytes()
        results = pipeline.analyse([data, data], purposes=["enrol", "probe"])
        faces = [result.faces[0] for result in results if isinstance(result, PhotoAnalysis) and result.faces]
        if len(faces) == 2:
            enrolled.append(faces[0].embedding)
            probes.append(faces[1].embedding)
            people.append(path.parent.name)
        else:
            missed.append(path)
        progress(number, len(photos))
    if not people:
        raise PackError(
            f"No face was found in {folder}. It should hold a folder for each of several people, with their photos."
        )
    return measure_vectors(np.stack(enrolled), np.stack(probes), np.array(people), str(folder), missed)


def measure_vectors(
    enrolled: np.ndarray, probes: np.ndarray, people: np.ndarray, source: str, missed: Sequence[Path] = ()
) -> FarMeasurement:
    """Measures vectors as `curve` takes them. source: where the faces are from, for error messages.

    Raises PackError if there are too few photos or people.
    """
    count = len(set(people.tolist()))
    if count < 2 or len(people) < count * 2:
        raise PackError(f"{source} should hold a folder for each of several people, with at least two photos of each.")
    rows, pairs = curve(enrolled, probes, people)
    fars = [far for _, far, _ in rows if far > 0]
    if len(fars) < 3 or fars[-1] < 10 * fars[0]:
        raise PackError(
            f"{len(people)} photos of {count} people are too few to measure a FAR curve. Add photos or people."
        )
    return FarMeasurement(rows, pairs, len(people), count, list(missed))


def save_measurement(manifest: Manifest, pack_dir: Path, measured: FarMeasurement, described: str) -> Manifest:
    """Writes the curve, and the 1:1 threshold at a FAR of 0.001, into an installed pack's manifest; returns the new one.

    described: what it was measured on, for people.
    """
    threshold = max((row[0] for row in measured.curve if row[1] <= FAR_1TO1), default=measured.curve[0][0])
    changed = dataclasses.replace(
        manifest,
        far_curve=measured.curve,
        far_pairs=measured.pairs,
        measured_on=described,
        score_slope=manifest.score_slope * manifest.threshold_1to1 / threshold,
        threshold_1to1=threshold,
    )
    write_manifest(changed, pack_dir)
    return changed
