"""Measures a pack's FAR curve on a folder of people, a folder each:

    python -m recognition.packs.measure models/dlib-resnet FOLDER

Every photo is embedded as an enrolment and as a probe; all pairs of two different photos count. Prints what
models/catalogue.toml and the pack's manifest keep.
"""

import sys
from pathlib import Path

import numpy as np

from recognition.engine.base import PhotoError
from recognition.engine.pipeline import Pipeline

STEP = 0.01


def curve(enrolled: np.ndarray, probes: np.ndarray, people: np.ndarray) -> tuple[list[list[float]], dict[str, int]]:
    """enrolled, probes: float32 (n, dim); people: (n,) labels. Returns [distance, FAR, TAR] rows and the pair counts."""
    squares = (enrolled**2).sum(1)[:, None] + (probes**2).sum(1)[None] - 2 * enrolled @ probes.T
    distances = np.sqrt(np.maximum(squares, 0))
    same = people[:, None] == people[None]
    genuine = distances[same & ~np.eye(len(people), dtype=bool)]
    impostor = distances[~same]
    low = np.floor(impostor.min() / STEP) * STEP
    rows = [
        [round(float(d), 2), float(f"{(impostor <= d).mean():.3g}"), round(float((genuine <= d).mean()), 4)]
        for d in np.arange(low, 0.7, STEP)
    ]
    first = next(number for number, row in enumerate(rows) if row[1] > 0)
    return rows[first:], {"genuine": len(genuine), "impostor": len(impostor)}


def main(pack_dir: Path, folder: Path) -> None:
    pipeline = Pipeline.load(pack_dir)
    vectors: dict[str, list[np.ndarray]] = {"enrol": [], "probe": []}
    people, missed = [], []
    for path in sorted(path for path in folder.glob("*/*") if path.is_file()):
        data = path.read_bytes()
        results = pipeline.analyse([data, data], purposes=["enrol", "probe"])
        if any(isinstance(result, PhotoError) or not result.faces for result in results):
            missed.append(path)
            continue
        for purpose, result in zip(vectors, results, strict=True):
            vectors[purpose].append(result.faces[0].embedding)
        people.append(path.parent.name)
    rows, pairs = curve(np.stack(vectors["enrol"]), np.stack(vectors["probe"]), np.array(people))
    print("far_pairs =", "{ " + ", ".join(f"{name} = {count}" for name, count in pairs.items()) + " }")
    print("far_curve = [\n" + "".join(f"    {row},\n" for row in rows) + "]")
    print(f"# {len(people)} photos of {len(set(people))} people; without a face: {[str(path) for path in missed]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
