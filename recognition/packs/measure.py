"""Measures a pack's FAR curve on a folder of people, a folder each, with what the platform runs.

Every photo is embedded as an enrolment and as a probe; all pairs of two different photos count.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from recognition.engine.base import PhotoError
from recognition.engine.manifest import Manifest, PackError, write_manifest
from recognition.engine.pipeline import Pipeline

STEP = 0.01
LARGEST_FAR = 0.03  # no threshold lets more strangers pass
FAR_1TO1 = 0.001


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """curve: [distance, FAR, TAR] rows. pairs: {"genuine", "impostor"}. missed: photos without a face."""

    curve: list[list[float]]
    pairs: dict[str, int]
    photos: int
    people: int
    missed: list[Path]


def curve(enrolled: np.ndarray, probes: np.ndarray, people: np.ndarray) -> tuple[list[list[float]], dict[str, int]]:
    """enrolled, probes: float32 (n, dim); people: (n,) labels. Returns [distance, FAR, TAR] rows and the pair counts."""
    squares = (enrolled**2).sum(1)[:, None] + (probes**2).sum(1)[None] - 2 * enrolled @ probes.T
    distances = np.sqrt(np.maximum(squares, 0))
    same = people[:, None] == people[None]
    genuine = distances[same & ~np.eye(len(people), dtype=bool)]
    impostor = np.sort(distances[~same])
    rows = []
    for distance in np.arange(np.floor(impostor[0] / STEP) * STEP, impostor[-1], STEP):
        far = float(np.searchsorted(impostor, distance, "right") / len(impostor))
        if far > 0:
            rows.append([round(float(distance), 2), float(f"{far:.3g}"), round(float((genuine <= distance).mean()), 4)])
        if far > LARGEST_FAR:
            break
    return rows, {"genuine": len(genuine), "impostor": len(impostor)}


def measure(pipeline: Pipeline, folder: Path, done: Callable[[int, int], object] = lambda number, of: None) -> Measured:
    """done: hears how many photos of how many are through. Raises PackError where there is too little to measure."""
    photos = sorted(path for path in folder.glob("*/*") if path.is_file())
    vectors: dict[str, list[np.ndarray]] = {"enrol": [], "probe": []}
    people, missed = [], []
    for number, path in enumerate(photos, 1):
        data = path.read_bytes()
        results = pipeline.analyse([data, data], purposes=["enrol", "probe"])
        if any(isinstance(result, PhotoError) or not result.faces for result in results):
            missed.append(path)
        else:
            for purpose, result in zip(vectors, results, strict=True):
                vectors[purpose].append(result.faces[0].embedding)
            people.append(path.parent.name)
        done(number, len(photos))
    if not people:
        raise PackError(f"{folder} holds no photo with a face, in a folder for each of several people.")
    return measured(np.stack(vectors["enrol"]), np.stack(vectors["probe"]), np.array(people), str(folder), missed)


def measured(
    enrolled: np.ndarray, probes: np.ndarray, people: np.ndarray, source: str, missed: Sequence[Path] = ()
) -> Measured:
    """source: where the faces are from, for the errors. Raises PackError where there is too little to measure."""
    count = len(set(people.tolist()))
    if count < 2 or len(people) < count * 2:
        raise PackError(f"{source} should hold a folder for each of several people, with two photos of each and more.")
    rows, pairs = curve(enrolled, probes, people)
    if len(rows) < 3 or rows[-1][1] < 10 * rows[0][1]:
        raise PackError(f"{len(people)} photos of {count} people are too few to measure a FAR curve with.")
    return Measured(rows, pairs, len(people), count, list(missed))


def keep(manifest: Manifest, pack_dir: Path, found: Measured, described: str) -> Manifest:
    """Writes the curve into an installed pack's manifest, and the 1:1 threshold at a FAR of 0.001 with it."""
    threshold = max((row[0] for row in found.curve if row[1] <= FAR_1TO1), default=found.curve[0][0])
    changed = dataclasses.replace(
        manifest,
        far_curve=found.curve,
        far_pairs=found.pairs,
        measured_on=described,
        score_slope=manifest.score_slope * manifest.threshold_1to1 / threshold,
        threshold_1to1=threshold,
    )
    write_manifest(changed, pack_dir)
    return changed
