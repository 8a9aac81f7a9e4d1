"""Figures from distances: ROC, AUC, EER, TAR at a FAR, the best threshold, and accuracy over folds.

A pair is accepted as one person if its distance is at most a threshold. genuine, impostor: the distances of pairs of one
person and of two. FAR: the share of impostor pairs accepted; TAR: the share of genuine pairs accepted. Pairs that share a
photo are not independent, so every interval here is narrower than the truth.
"""

import math
from dataclasses import dataclass

import numpy as np

# As published: squared distances of unit vectors, 0 to 4 in steps of 0.01 (insightface, src/eval/verification.py).
PUBLISHED_GRID = np.sqrt(np.arange(0, 4, 0.01))
ACCEPTS_NOBODY = -1.0  # a threshold below every distance
Z95 = 1.959964  # of the normal distribution, two-sided 95 %


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The loosest threshold whose FAR is at most `far` on these pairs. accepted: how many impostor pairs pass it.

    low, high: the 95 % interval of TAR. Other impostor pairs would move the threshold as far as `binomial_range` says, and
    other genuine pairs would change the share as `wilson` says. With few impostor pairs the first effect is by far larger.
    """

    far: float
    tar: float
    low: float
    high: float
    threshold: float
    accepted: int


@dataclass(frozen=True, slots=True)
class BestThreshold:
    """The threshold with the most correct answers on these very pairs. low, high: its 95 % interval (bootstrap)."""

    threshold: float
    low: float
    high: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class FoldResults:
    """Per fold. accuracies: of the pairs compared. with_failures: the other pairs counted as wrong answers."""

    accuracies: np.ndarray
    with_failures: np.ndarray
    thresholds: np.ndarray


def roc(genuine: np.ndarray, impostor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """FAR, TAR and threshold, float64 each: at (0, 0), then at every distance that occurs, ascending."""
    thresholds = np.unique(np.concatenate([genuine, impostor])).astype("float64")
    far = np.searchsorted(np.sort(impostor), thresholds, "right") / len(impostor)
    tar = np.searchsorted(np.sort(genuine), thresholds, "right") / len(genuine)
    return np.concatenate([[0.0], far]), np.concatenate([[0.0], tar]), np.concatenate([[0.0], thresholds])


def auc(genuine: np.ndarray, impostor: np.ndarray) -> float:
    """The area under the ROC: how often a genuine pair is nearer than an impostor pair. A tie counts as half."""
    ordered = np.sort(impostor)
    below, upto = (np.searchsorted(ordered, genuine, side).astype("int64") for side in ("left", "right"))
    return float(1 - (below.sum() + upto.sum()) / 2 / (len(genuine) * len(impostor)))


def equal_error_rate(genuine: np.ndarray, impostor: np.ndarray) -> tuple[float, float]:
    """The rate at which FAR equals FRR, interpolated linearly between the ROC's points; and the threshold there."""
    far, tar, thresholds = roc(genuine, impostor)
    gap = far - (1 - tar)  # from -1 to 1, never falling
    after = int(np.searchsorted(gap, 0.0))
    before = max(after - 1, 0)
    span = gap[after] - gap[before]
    share = -gap[before] / span if span > 0 else 0.0
    return (
        float(far[before] + share * (far[after] - far[before])),
        float(thresholds[before] + share * (thresholds[after] - thresholds[before])),
    )


def tar_at_far(genuine: np.ndarray, impostor: np.ndarray, far: float) -> OperatingPoint | None:
    """The operating point at `far`; None if there are too few impostor pairs for even one to pass at that FAR."""
    allowed = math.floor(far * len(impostor) + 1e-9)
    if allowed < 1:
        return None
    ordered = np.sort(impostor)
    least, most = binomial_range(len(impostor), far)
    cautious, threshold, lenient = (_threshold_passing(count, genuine, ordered) for count in (least, allowed, most))
    hits = int((genuine <= threshold).sum())
    low = wilson(int((genuine <= cautious).sum()), len(genuine))[0]
    high = wilson(int((genuine <= lenient).sum()), len(genuine))[1]
    return OperatingPoint(far, hits / len(genuine), low, high, threshold, int((ordered <= threshold).sum()))


def _threshold_passing(count: int, genuine: np.ndarray, ordered: np.ndarray) -> float:
    """The loosest threshold that at most `count` impostor pairs pass. ordered: the impostor distances, ascending."""
    if count >= len(ordered):
        return float(max(ordered[-1], genuine.max()))
    return _just_below(float(ordered[count]), genuine, ordered)


def binomial_range(count: int, share: float) -> tuple[int, int]:
    """The range in which the number of successes lies 95 % of the time, in `count` trials of probability `share`."""
    mean, deviation = count * share, math.sqrt(count * share * (1 - share))
    if mean > 100:
        return math.floor(mean - Z95 * deviation), min(math.ceil(mean + Z95 * deviation), count)
    term, total, low, number = (1 - share) ** count, 0.0, None, 0
    while True:
        total += term
        if low is None and total >= 0.025:
            low = number
        if total >= 0.975 or number == count:
            return low or 0, number
        term *= (count - number) / (number + 1) * share / (1 - share)
        number += 1


def _just_below(distance: float, *others: np.ndarray) -> float:
    """Half-way between `distance` and the next smaller distance that occurs."""
    below = max(float(values[values < distance].max(initial=ACCEPTS_NOBODY)) for values in others)
    if below == ACCEPTS_NOBODY:
        return distance / 2 if distance > 0 else ACCEPTS_NOBODY
    return (below + distance) / 2


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927)."""
    share, z2 = hits / count, Z95**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z95 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return (max(centre - half, 0.0) if hits else 0.0), (min(centre + half, 1.0) if hits < count else 1.0)


def best_threshold(distances: np.ndarray, same: np.ndarray, *, rounds: int = 200, seed: int = 0) -> BestThreshold:
    """The best threshold, with its interval. rounds: of the bootstrap, which draws genuine and impostor pairs separately."""
    order = np.argsort(distances, kind="stable")
    ordered, flags = distances[order].astype("float64"), same[order]
    random = np.random.default_rng(seed)
    drawn = [_best_threshold(ordered, flags, _resample(random, flags)) for _ in range(rounds)]
    threshold = _best_threshold(ordered, flags, np.ones(len(flags), "int64"))
    low, high = np.percentile([*drawn, threshold], [2.5, 97.5])
    accuracy = ((ordered <= threshold) == flags).mean()
    return BestThreshold(threshold, min(float(low), threshold), max(float(high), threshold), float(accuracy))


def _resample(random: np.random.Generator, flags: np.ndarray) -> np.ndarray:
    """How often each pair is drawn in one round of the bootstrap."""
    weights = np.empty(len(flags), "int64")
    for kind in (True, False):
        places = np.flatnonzero(flags == kind)
        weights[places] = np.bincount(random.integers(0, len(places), len(places)), minlength=len(places))
    return weights


def _best_threshold(ordered: np.ndarray, flags: np.ndarray, weights: np.ndarray) -> float:
    """The middle of the first gap that separates best. ordered: distances, ascending. weights: how often each counts."""
    gain = np.cumsum(np.where(flags, weights, -weights))
    last_of_value = np.append(ordered[1:] != ordered[:-1], True) & (weights > 0)
    places = np.flatnonzero(last_of_value)
    scores = np.concatenate([[0], gain[places]])
    best = int(np.argmax(scores))
    if best == 0:
        return float(ordered[places[0]] / 2) if len(places) and ordered[places[0]] > 0 else ACCEPTS_NOBODY
    below = ordered[places[best - 1]]
    above = ordered[places[best]] if best < len(places) else below
    return float((below + above) / 2)


def split_folds(same: np.ndarray, folds: int = 10) -> tuple[list[np.ndarray], bool]:
    """The numbers of each fold's pairs, and whether the folds are as published: consecutive parts of the list.

    If such a part would hold pairs of only one kind, both kinds are dealt out to the folds in turn instead.
    """
    consecutive = np.array_split(np.arange(len(same)), folds)
    if all(0 < same[part].sum() < len(part) for part in consecutive):
        return consecutive, True
    dealt = np.empty(len(same), "int64")
    for kind in (True, False):
        places = np.flatnonzero(same == kind)
        dealt[places] = np.arange(len(places)) % folds
    return [np.flatnonzero(dealt == fold) for fold in range(folds)], False


def fold_accuracy(
    distances: np.ndarray, same: np.ndarray, parts: list[np.ndarray], *, grid: np.ndarray | None
) -> FoldResults:
    """Judges each fold by the threshold that is best on all the other folds.

    distances: NaN if a pair could not be compared. parts: the numbers of each fold's pairs. grid: the thresholds to choose
    from, ascending; a pair is then accepted if it is strictly below. None: any threshold.
    """
    usable = ~np.isnan(distances)
    accuracies, with_failures, thresholds = [], [], []
    for part in parts:
        others = usable.copy()
        others[part] = False
        threshold = _choose_threshold(distances[others], same[others], grid)
        compared = part[usable[part]]
        accepted = distances[compared] < threshold if grid is not None else distances[compared] <= threshold
        correct = int((accepted == same[compared]).sum())
        accuracies.append(correct / len(compared) if len(compared) else math.nan)
        with_failures.append(correct / len(part))
        thresholds.append(threshold)
    return FoldResults(np.array(accuracies), np.array(with_failures), np.array(thresholds))


def _choose_threshold(distances: np.ndarray, same: np.ndarray, grid: np.ndarray | None) -> float:
    order = np.argsort(distances, kind="stable")
    ordered, flags = distances[order].astype("float64"), same[order]
    if grid is None:
        return _best_threshold(ordered, flags, np.ones(len(flags), "int64"))
    accepted = np.searchsorted(ordered, grid, "left")
    gain = np.concatenate([[0], np.cumsum(np.where(flags, 1, -1))])
    return float(grid[np.argmax(gain[accepted])])
