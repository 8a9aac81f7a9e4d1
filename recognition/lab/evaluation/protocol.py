"""The published protocol of face verification, and the numbers beside it that it leaves out.

An image and its mirror image are embedded and added, cosine nets' vectors brought to unit length; ten folds, each judged
by the threshold that is best on the other nine; mean and deviation of their accuracies. Source: src/eval/verification.py
of InsightFace, after LFW's "image-restricted" protocol (Huang et al., 2007).
"""

from dataclasses import asdict, dataclass, field

import numpy as np

from recognition.lab.evaluation import metrics
from recognition.lab.evaluation.embedding import (
    Chips,
    Embed,
    Failure,
    Progress,
    crops,
    distances_of,
    embed_images,
    failures_of,
)
from recognition.lab.evaluation.sets import VerificationSet

FOLDS = 10
FEWEST_A_FOLD = 10  # pairs; with less, ± says nothing
FARS = (1e-1, 1e-2, 1e-3, 1e-4)
CURVE_POINTS, BINS = 120, 50
BOOTSTRAP_ROUNDS, ROUNDS_FROM = 200, 100_000


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """What a given threshold does to these pairs. None: there are no pairs of that kind."""

    distance: float
    tar: float | None
    far: float | None
    accuracy: float


@dataclass(slots=True)
class VerificationResult:
    """Distances are L2, in the pack's own vectors. None: these pairs do not define the number; `notes` say why.

    accuracy, deviation: over the folds, of the pairs that could be compared. accuracy_all: the other pairs counted as
    wrong answers. thresholds: which the folds chose from, "published grid" or "exact". fold_kind: "as published" or
    "dealt out". roc: [FAR, TAR, distance] rows. histogram: {"edges", "genuine", "impostor"}, counts.
    spread: least, median and largest distance of each kind of pair. engine: what a pack's nets ran on, see PackNets.describe.
    """

    set_name: str
    set_sha256: str
    metric: str
    pairs: int
    genuine: int
    impostor: int
    compared: int
    images: int
    thresholds: str
    fold_kind: str | None = None
    accuracy: float | None = None
    deviation: float | None = None
    accuracy_all: float | None = None
    fold_accuracies: list[float] = field(default_factory=list)
    auc: float | None = None
    eer: float | None = None
    tar_at_far: list[metrics.Operating] = field(default_factory=list)
    best: metrics.Best | None = None
    at_threshold: AtThreshold | None = None
    roc: list[list[float]] = field(default_factory=list)
    histogram: dict[str, list] = field(default_factory=dict)
    spread: dict[str, list[float]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    engine: dict = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        """As JSON takes it."""
        return asdict(self)


def verify(
    embed: Embed,
    pairs: VerificationSet,
    *,
    chips: Chips = crops,
    metric: str = "cosine",
    threshold: float | None = None,
    progress: Progress | None = None,
) -> VerificationResult:
    """Evaluates a net on a set.

    embed: aligned faces, uint8 RGB (n, size, size, 3), up to 32 at a time → float32 (n, dim), as the net gives them.
    chips: how the set's images become such faces; as they stand, for nets that take 112 px crops by ArcFace's template.
    metric: "cosine" or "L2". threshold: of the pack, as L2 distance, to see what it does here.
    """
    vectors, failed = embed_images(pairs.images, embed, chips, metric=metric, progress=progress)
    distances = distances_of(pairs, vectors, failed)
    result = summarise(distances, pairs.same, name=pairs.name, sha256=pairs.sha256, metric=metric, threshold=threshold)
    result.images, result.failures = len(pairs.images), failures_of(pairs, failed)
    return result


def summarise(
    distances: np.ndarray, same: np.ndarray, *, name: str, sha256: str, metric: str, threshold: float | None = None
) -> VerificationResult:
    """The numbers of a set's distances; NaN where a pair could not be compared."""
    usable = ~np.isnan(distances)
    genuine, impostor = distances[usable & same], distances[usable & ~same]
    result = VerificationResult(
        set_name=name,
        set_sha256=sha256,
        metric=metric,
        pairs=len(same),
        genuine=int(same.sum()),
        impostor=int((~same).sum()),
        compared=int(usable.sum()),
        images=0,
        thresholds="published grid" if metric == "cosine" else "exact",
    )
    if result.compared < result.pairs:
        result.notes.append(f"{result.pairs - result.compared} of {result.pairs} pairs could not be compared.")
    if result.compared:
        result.histogram = _histogram(genuine, impostor)
        result.spread = {
            name: [round(float(value), 4) for value in np.percentile(values, [0, 50, 100])]
            for name, values in (("genuine", genuine), ("impostor", impostor))
            if len(values)
        }
        if threshold is not None:
            result.at_threshold = _at(threshold, genuine, impostor)
    if len(genuine) and len(impostor):
        _add_curve(result, genuine, impostor)
        _add_best(result, distances[usable], same[usable])
        _add_folds(result, distances, same)
    elif result.compared:
        kind = "one person" if len(genuine) else "two people"
        result.notes.append(
            f"All pairs that could be compared show {kind}: accuracy, ROC-AUC, EER, TAR at a FAR and the best threshold "
            "are not defined. They need pairs of both kinds."
        )
    return result


def _at(threshold: float, genuine: np.ndarray, impostor: np.ndarray) -> AtThreshold:
    hits, passed = int((genuine <= threshold).sum()), int((impostor <= threshold).sum())
    return AtThreshold(
        threshold,
        hits / len(genuine) if len(genuine) else None,
        passed / len(impostor) if len(impostor) else None,
        (hits + len(impostor) - passed) / (len(genuine) + len(impostor)),
    )


def _add_curve(result: VerificationResult, genuine: np.ndarray, impostor: np.ndarray) -> None:
    result.auc = metrics.auc(genuine, impostor)
    result.eer = metrics.equal_error_rate(genuine, impostor)[0]
    found = {far: metrics.tar_at_far(genuine, impostor, far) for far in FARS}
    result.tar_at_far = [operating for operating in found.values() if operating]
    if missing := [far for far, operating in found.items() if operating is None]:
        result.notes.append(
            f"TAR at FAR {', '.join(f'{far:g}' for far in missing)} is left out: {len(impostor)} pairs of two people are "
            "too few to see so small a rate."
        )
    result.roc = _thinned(*metrics.roc(genuine, impostor))


def _add_best(result: VerificationResult, distances: np.ndarray, same: np.ndarray) -> None:
    rounds = BOOTSTRAP_ROUNDS if len(same) <= ROUNDS_FROM else BOOTSTRAP_ROUNDS // 4
    result.best = metrics.best_threshold(distances, same, rounds=rounds)


def _add_folds(result: VerificationResult, distances: np.ndarray, same: np.ndarray) -> None:
    if min(result.genuine, result.impostor) < FOLDS:
        result.notes.append(
            f"{result.genuine} pairs of one person and {result.impostor} of two are too few for {FOLDS} folds: accuracy "
            f"over folds is not defined. It needs {FOLDS} of each and more."
        )
        return
    parts, published = metrics.folds_of(same, FOLDS)
    grid = metrics.PUBLISHED_GRID if result.metric == "cosine" else None
    folds = metrics.fold_accuracy(distances, same, parts, grid=grid)
    judged = folds.accuracies[~np.isnan(folds.accuracies)]
    result.fold_kind = "as published" if published else "dealt out"
    result.accuracy, result.deviation = float(judged.mean()), float(judged.std())
    result.accuracy_all = float(folds.with_failures.mean())
    result.fold_accuracies = [round(float(value), 6) for value in judged]
    if not published:
        result.notes.append(
            "Cut into ten stretches, a stretch would hold pairs of one kind alone: both kinds were dealt out to the folds "
            "in turn. The order of a list decides its folds."
        )
    if result.pairs < FOLDS * FEWEST_A_FOLD:
        result.notes.append(f"A fold has fewer than {FEWEST_A_FOLD} pairs: the deviation over folds says little.")


def _thinned(far: np.ndarray, tar: np.ndarray, thresholds: np.ndarray) -> list[list[float]]:
    """The ROC at so many of its points as a picture shows: FARs evenly by their logarithm, TARs evenly."""
    floor = far[far > 0].min()
    wanted = np.concatenate([np.geomspace(floor, 1.0, CURVE_POINTS), [0.0]])
    places = set(np.searchsorted(far, wanted, "right") - 1) | {0, len(far) - 1}
    places |= set(np.minimum(np.searchsorted(tar, np.linspace(0, 1, CURVE_POINTS // 2)), len(tar) - 1))
    return [[float(f"{value:.6g}") for value in (far[n], tar[n], thresholds[n])] for n in sorted(places)]


def _histogram(genuine: np.ndarray, impostor: np.ndarray) -> dict[str, list]:
    top = max(float(values.max()) for values in (genuine, impostor) if len(values))
    edges = np.linspace(0.0, max(np.ceil(top * 10) / 10, 0.1), BINS + 1)
    counts = {name: np.histogram(values, edges)[0].tolist() for name, values in
              (("genuine", genuine), ("impostor", impostor))}  # fmt: skip
    return {"edges": [round(float(edge), 4) for edge in edges], **counts}
