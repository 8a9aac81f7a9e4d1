"""What distances say about a net: ROC, AUC, EER, TAR at a FAR, the best threshold, and accuracy over folds.

Two images are taken for one person where their distance is at most a threshold. genuine, impostor: the distances of
pairs of one person and of two. FAR: the share of impostor pairs accepted; TAR: that of genuine ones. Pairs that share a
photo are not independent, so every interval here is narrower than the truth.
"""

import math
from dataclasses import dataclass

import numpy as np

# As published: squared distances of unit vectors, 0 to 4 in steps of 0.01 (insightface, src/eval/verification.py).
PUBLISHED_GRID = np.sqrt(np.arange(0, 4, 0.01))
NOBODY = -1.0  # a threshold that no distance is below
Z95 = 1.959964  # of the normal distribution, two-sided 95 %


@dataclass(frozen=True, slots=True)
class Operating:
    """The loosest threshold whose FAR is at most `far` on these pairs. accepted: how many of two people pass it.

    low, high: 95 % of TAR: by chance as many other impostor pairs pass as `binomial_range` says, which moves the threshold,
    and a share of the genuine pairs is what `wilson` says. With few impostor pairs the first is by far the larger.
    """

    far: float
    tar: float
    low: float
    high: float
    threshold: float
    accepted: int


@dataclass(frozen=True, slots=True)
class Best:
    """The threshold with the most right answers on these very pairs; low, high: 95 % of it (bootstrap)."""

    threshold: float
    low: float
    high: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Folds:
    """accuracies: of each fold's pairs that could be compared. with_failures: the others counted as wrong answers."""

    accuracies: np.ndarray
    with_failures: np.ndarray
    thresholds: np.ndarray


def roc(genuine: np.ndarray, impostor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """FAR, TAR and the threshold at every distance that occurs, ascending, from (0, 0) on; float64 each."""
    thresholds = np.unique(np.concatenate([genuine, impostor])).astype("float64")
    far = np.searchsorted(np.sort(impostor), thresholds, "right") / len(impostor)
    tar = np.searchsorted(np.sort(genuine), thresholds, "right") / len(genuine)
    return np.concatenate([[0.0], far]), np.concatenate([[0.0], tar]), np.concatenate([[0.0], thresholds])


def auc(genuine: np.ndarray, impostor: np.ndarray) -> float:
    """The area under the ROC: how often a genuine pair is nearer than an impostor pair, a tie being half."""
    ordered = np.sort(impostor)
    below, upto = (np.searchsorted(ordered, genuine, side).astype("int64") for side in ("left", "right"))
    return float(1 - (below.sum() + upto.sum()) / 2 / (len(genuine) * len(impostor)))


def equal_error_rate(genuine: np.ndarray, impostor: np.ndarray) -> tuple[float, float]:
    """Where FAR and FRR are the same, on the straight lines between the ROC's points; and the threshold there."""
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


def tar_at_far(genuine: np.ndarray, impostor: np.ndarray, far: float) -> Operating | None:
    """None where the impostor pairs are too few to tell: at least one of them has to pass at that FAR."""
    allowed = math.floor(far * len(impostor) + 1e-9)
    if allowed < 1:
        return None
    ordered = np.sort(impostor)
    least, most = binomial_range(len(impostor), far)
    cautious, threshold, lenient = (_letting_pass(count, genuine, ordered) for count in (least, allowed, most))
    hits = int((genuine <= threshold).sum())
    low = wilson(int((genuine <= cautious).sum()), len(genuine))[0]
    high = wilson(int((genuine <= lenient).sum()), len(genuine))[1]
    return Operating(far, hits / len(genuine), low, high, threshold, int((ordered <= threshold).sum()))


def _letting_pass(count: int, genuine: np.ndarray, ordered: np.ndarray) -> float:
    """The loosest threshold that at most `count` impostor pairs pass. ordered: their distances, ascending."""
    if count >= len(ordered):
        return float(max(ordered[-1], genuine.max()))
    return _just_below(float(ordered[count]), genuine, ordered)


def binomial_range(count: int, share: float) -> tuple[int, int]:
    """Between which numbers of `count` trials that each succeed with probability `share` succeed, 95 % of the time."""
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
    """Half-way between `distance` and the next smaller one that occurs."""
    below = max(float(values[values < distance].max(initial=NOBODY)) for values in others)
    if below == NOBODY:
        return distance / 2 if distance > 0 else NOBODY
    return (below + distance) / 2


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927)."""
    share, z2 = hits / count, Z95**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z95 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return (max(centre - half, 0.0) if hits else 0.0), (min(centre + half, 1.0) if hits < count else 1.0)


def best_threshold(distances: np.ndarray, same: np.ndarray, *, rounds: int = 200, seed: int = 0) -> Best:
    """rounds: as many times the pairs are drawn anew from themselves, those of each class by themselves."""
    order = np.argsort(distances, kind="stable")
    ordered, flags = distances[order].astype("float64"), same[order]
    random = np.random.default_rng(seed)
    drawn = [_best_of(ordered, flags, _draw(random, flags)) for _ in range(rounds)]
    threshold = _best_of(ordered, flags, np.ones(len(flags), "int64"))
    low, high = np.percentile([*drawn, threshold], [2.5, 97.5])
    accuracy = ((ordered <= threshold) == flags).mean()
    return Best(threshold, min(float(low), threshold), max(float(high), threshold), float(accuracy))


def _draw(random: np.random.Generator, flags: np.ndarray) -> np.ndarray:
    """How often each pair is drawn."""
    weights = np.empty(len(flags), "int64")
    for kind in (True, False):
        places = np.flatnonzero(flags == kind)
        weights[places] = np.bincount(random.integers(0, len(places), len(places)), minlength=len(places))
    return weights


def _best_of(ordered: np.ndarray, flags: np.ndarray, weights: np.ndarray) -> float:
    """Half-way in the first gap that separates best. ordered: ascending distances."""
    gain = np.cumsum(np.where(flags, weights, -weights))
    last_of_value = np.append(ordered[1:] != ordered[:-1], True) & (weights > 0)
    places = np.flatnonzero(last_of_value)
    scores = np.concatenate([[0], gain[places]])
    best = int(np.argmax(scores))
    if best == 0:
        return float(ordered[places[0]] / 2) if len(places) and ordered[places[0]] > 0 else NOBODY
    below = ordered[places[best - 1]]
    above = ordered[places[best]] if best < len(places) else below
    return float((below + above) / 2)


def folds_of(same: np.ndarray, folds: int = 10) -> tuple[list[np.ndarray], bool]:
    """Numbers of the pairs of each fold, and whether they are as published: one stretch of the list after the other.

    Where a stretch would hold pairs of one class alone, both classes are dealt out to the folds in turn instead.
    """
    stretches = np.array_split(np.arange(len(same)), folds)
    if all(0 < same[part].sum() < len(part) for part in stretches):
        return stretches, True
    dealt = np.empty(len(same), "int64")
    for kind in (True, False):
        places = np.flatnonzero(same == kind)
        dealt[places] = np.arange(len(places)) % folds
    return [np.flatnonzero(dealt == fold) for fold in range(folds)], False


def fold_accuracy(
    distances: np.ndarray, same: np.ndarray, parts: list[np.ndarray], *, grid: np.ndarray | None
) -> Folds:
    """Each fold judged by the threshold that is best on all the others.

    distances: NaN where a pair could not be compared. grid: the thresholds to choose from, ascending, a pair being
    accepted strictly below one; None: any distance.
    """
    usable = ~np.isnan(distances)
    accuracies, with_failures, thresholds = [], [], []
    for part in parts:
        others = usable.copy()
        others[part] = False
        threshold = _choose(distances[others], same[others], grid)
        seen = part[usable[part]]
        accepted = distances[seen] < threshold if grid is not None else distances[seen] <= threshold
        right = int((accepted == same[seen]).sum())
        accuracies.append(right / len(seen) if len(seen) else math.nan)
        with_failures.append(right / len(part))
        thresholds.append(threshold)
    return Folds(np.array(accuracies), np.array(with_failures), np.array(thresholds))


def _choose(distances: np.ndarray, same: np.ndarray, grid: np.ndarray | None) -> float:
    order = np.argsort(distances, kind="stable")
    ordered, flags = distances[order].astype("float64"), same[order]
    if grid is None:
        return _best_of(ordered, flags, np.ones(len(flags), "int64"))
    accepted = np.searchsorted(ordered, grid, "left")
    gain = np.concatenate([[0], np.cumsum(np.where(flags, 1, -1))])
    return float(grid[np.argmax(gain[accepted])])
