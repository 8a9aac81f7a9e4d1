"""The published protocol of face verification, and figures that it leaves out.

An image and its mirror image are embedded and added; vectors of cosine nets are scaled to unit length. There are ten
folds, each judged by the threshold that is best on the other nine; the result is the mean and deviation of their
accuracies. Source: src/eval/verification.py of InsightFace, after LFW's "image-restricted" protocol (Huang et al., 2007).
"""

from dataclasses import asdict, dataclass, field

import numpy as np

from recognition.lab.evaluation import metrics
from recognition.lab.evaluation.embedding import (
    Embed,
    Failure,
    MakeChips,
    OnProgress,
    crops,
    distances_of,
    embed_images,
    failures_of,
)
from recognition.lab.evaluation.sets import VerificationSet

FOLDS = 10
FEWEST_A_FOLD = 10  # pairs; with fewer, the deviation means little
FARS = (1e-1, 1e-2, 1e-3, 1e-4)
CURVE_POINTS, BINS = 120, 50
BOOTSTRAP_ROUNDS = 200
MANY_PAIRS = 100_000  # a quarter of the rounds is enough for more


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """What a given threshold does on these pairs. tar, far: None if there are no pairs of that kind."""

    distance: float
    tar: float | None
    far: float | None
    accuracy: float


@dataclass(slots=True)
class VerificationResult:
    """Distances are L2, between the pack's own vectors. None: these pairs do not define the figure; `notes` say why.

    genuine, impostor: numbers of pairs of one person and of two. compared: pairs both of whose images could be used.
    accuracy, deviation: over the folds, of the pairs compared. accuracy_all: with the other pairs counted as wrong.
    thresholds: what the folds chose from, "published grid" or "exact". fold_kind: "as published" or "dealt out".
    roc: [FAR, TAR, distance] rows. histogram: {"edges", "genuine", "impostor"}, the latter two counts.
    spread: least, median and largest distance of each kind of pair. engine: what a pack's nets ran on; see
    PackNets.describe.
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
    tar_at_far: list[metrics.OperatingPoint] = field(default_factory=list)
    best: metrics.BestThreshold | None = None
    at_threshold: AtThreshold | None = None
    roc: list[list[float]] = field(default_factory=list)
    histogram: dict[str, list] = field(default_factory=dict)
    spread: dict[str, list[float]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    engine: dict = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        """All values, ready for JSON."""
        return asdict(self)


def verify(
    embed: Embed,
    pairs: VerificationSet,
    *,
    chips: MakeChips = crops,
    metric: str = "cosine",
    threshold: float | None = None,
    progress: OnProgress | None = None,
) -> VerificationResult:
    """Evaluates a net on a set.

    embed: given up to 32 chips at a time. chips: turns the set's images into the net's chips; the default is for nets that
    take 112 px crops aligned by ArcFace's template. metric: "cosine" or "L2". threshold: the pack's, as an L2 distance, to
    see what it does on this set.
    """
    vectors, failed = embed_images(pairs.images, embed, chips, metric=metric, progress=progress)
    distances = distances_of(pairs, vectors, failed)
    result = summarise(distances, pairs.same, name=pairs.name, sha256=pairs.sha256, metric=metric, threshold=threshold)
    result.images, result.failures = len(pairs.images), failures_of(pairs, failed)
    return result


def summarise(
    distances: np.ndarray, same: np.ndarray, *, name: str, sha256: str, metric: str, threshold: float | None = None
) -> VerificationResult:
    """All figures from the distances of a set's pairs. distances: NaN if a pair could not be compared. same: bool."""
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
            result.at_threshold = _at_threshold(threshold, genuine, impostor)
    if len(genuine) and len(impostor):
        _add_curve(result, genuine, impostor)
        _add_best(result, distances[usable], same[usable])
        _add_folds(result, distances, same)
    elif result.compared:
        kind = "one person" if len(genuine) else "two people"
        result.notes.append(
            f"All pairs that could be compared show {kind}. Accuracy, ROC-AUC, EER, TAR at a FAR and the best threshold "
            "are not defined: they need pairs of both kinds."
        )
    return result


def _at_threshold(threshold: float, genuine: np.ndarray, impostor: np.ndarray) -> AtThreshold:
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
    points = {far: metrics.tar_at_far(genuine, impostor, far) for far in FARS}
    result.tar_at_far = [point for point in points.values() if point]
    if missing := [far for far, point in points.items() if point is None]:
        result.notes.append(
            f"TAR at FAR {', '.join(f'{far:g}' for far in missing)} is left out: {len(impostor)} pairs of two people are "
            "too few to measure so small a rate."
        )
    result.roc = _thinned(*metrics.roc(genuine, impostor))


def _add_best(result: VerificationResult, distances: np.ndarray, same: np.ndarray) -> None:
    rounds = BOOTSTRAP_ROUNDS if len(same) <= MANY_PAIRS else BOOTSTRAP_ROUNDS // 4
    result.best = metrics.best_threshold(distances, same, rounds=rounds)


def _add_folds(result: VerificationResult, distances: np.ndarray, same: np.ndarray) -> None:
    if min(result.genuine, result.impostor) < FOLDS:
        result.notes.append(
            f"{result.genuine} pairs of one person and {result.impostor} of two are too few for {FOLDS} folds, so the "
            f"accuracy over folds is not defined. It needs at least {FOLDS} of each."
        )
        return
    parts, published = metrics.split_folds(same, FOLDS)
    grid = metrics.PUBLISHED_GRID if result.metric == "cosine" else None
    folds = metrics.fold_accuracy(distances, same, parts, grid=grid)
    judged = folds.accuracies[~np.isnan(folds.accuracies)]
    result.fold_kind = "as published" if published else "dealt out"
    result.accuracy, result.deviation = float(judged.mean()), float(judged.std())
    result.accuracy_all = float(folds.with_failures.mean())
    result.fold_accuracies = [round(float(value), 6) for value in judged]
    if not published:
        result.notes.append(
            "The list's order would have given a fold pairs of only one kind, so both kinds were dealt out to the folds "
            "in turn."
        )
    if result.pairs < FOLDS * FEWEST_A_FOLD:
        result.notes.append(f"A fold has fewer than {FEWEST_A_FOLD} pairs, so the deviation over folds means little.")


def _thinned(far: np.ndarray, tar: np.ndarray, thresholds: np.ndarray) -> list[list[float]]:
    """As many points of the ROC as a chart can show: evenly spaced in log FAR and in TAR."""
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
