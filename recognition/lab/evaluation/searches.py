"""Figures from searches with strangers: FNIR at a FPIR, rank-1, the DET curve, and how certain they are. No Django.

Scores are of any kind; the lower, the more alike. A search is accepted below a limit. How certain a figure is: the searches of
one person depend on each other, and so do those that find one person. So the bootstrap draws people. A search for an enrolled
person counts as often as the person was drawn, a stranger's as often as the stranger times the person who was nearest (Bolle
et al. and Poh et al., see calibration.py). All policies are judged by the same draws, so that the interval of a difference is
that of the difference, not of two figures apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

FPIRS = (1e-1, 1e-2, 1e-3)
ROUNDS = 400  # of the bootstrap
CURVE_POINTS = 60


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class AtFpir:
    """The loosest threshold whose FPIR is at most `fpir` on these searches; accepted: how many strangers pass it.

    difference: of FNIR to that of the first policy, with its interval; None for the first policy itself.
    """

    fpir: float
    fnir: Estimate
    threshold: float
    accepted: int
    difference: Estimate | None = None


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """What a given threshold does with these searches."""

    distance: float
    fpir: Estimate
    fnir: Estimate


@dataclass(slots=True)
class PolicyResult:
    policy: str
    rank1: Estimate
    at_fpir: list[AtFpir]


@dataclass(frozen=True, slots=True)
class Searches:
    """Searches with one policy, ordered by score. Numbers of people are those of the whole set.

    mated, mated_faces, mated_scores: the person searched for, the face, and the score; inf if somebody else is nearer.
    strangers, stranger_faces, stranger_scores, nearest: the stranger, the face, the score of the nearest person, that person.
    """

    mated: np.ndarray
    mated_faces: np.ndarray
    mated_scores: np.ndarray
    strangers: np.ndarray
    stranger_faces: np.ndarray
    stranger_scores: np.ndarray
    nearest: np.ndarray

    def counts_with(self, weights: np.ndarray) -> bool:
        """Whether searches of both kinds are left with these weights."""
        return bool(weights[self.mated].any() and (weights[self.strangers] * weights[self.nearest]).any())

    def limit(self, fpir: float, weights: np.ndarray | None = None) -> float:
        """The lowest score that is refused if the share of strangers who pass may be at most `fpir`.

        weights: how often each person counts; once without.
        """
        counts = np.ones(len(self.strangers)) if weights is None else weights[self.strangers] * weights[self.nearest]
        passed = np.cumsum(counts)
        place = int(np.searchsorted(passed, fpir * passed[-1] + 1e-9, "right"))
        return float(self.stranger_scores[place]) if place < len(passed) else np.inf

    def fpir(self, limit: float, weights: np.ndarray | None = None) -> float:
        """The share of strangers who find anybody below `limit`."""
        counts = np.ones(len(self.strangers)) if weights is None else weights[self.strangers] * weights[self.nearest]
        passed = counts[: np.searchsorted(self.stranger_scores, limit, "left")]
        return float(passed.sum() / counts.sum())

    def fnir(self, limit: float, weights: np.ndarray | None = None) -> float:
        """The share of the searches for enrolled people that do not find them below `limit`."""
        counts = np.ones(len(self.mated)) if weights is None else weights[self.mated]
        found = counts[: np.searchsorted(self.mated_scores, limit, "left")]
        return float(1 - found.sum() / counts.sum())

    def fnir_at(self, fpir: float, weights: np.ndarray | None = None) -> float:
        return self.fnir(self.limit(fpir, weights), weights)


def together(parts: Sequence[Searches]) -> Searches:
    """The searches of all draws, ordered."""
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Searches.__slots__}
    orders = {
        name: np.argsort(joined[scores], kind="stable")
        for scores, names in (
            ("mated_scores", ("mated", "mated_faces", "mated_scores")),
            ("stranger_scores", ("strangers", "stranger_faces", "stranger_scores", "nearest")),
        )
        for name in names
    }
    return Searches(**{name: values[orders[name]] for name, values in joined.items()})


def bootstrap(searches: dict[str, Searches], people: int, random: np.random.Generator) -> list[np.ndarray]:
    """How often each person was drawn, (people,) in each round that leaves searches of both kinds."""
    drawn = random.multinomial(people, np.full(people, 1 / people), size=ROUNDS)
    return [weights for weights in drawn if all(found.counts_with(weights) for found in searches.values())]


def judge(searches: dict[str, Searches], rounds: Sequence[np.ndarray]) -> list[PolicyResult]:
    """The figures of each policy; the first is the one that the others are compared with."""
    today = next(iter(searches.values()))
    return [
        PolicyResult(
            policy,
            _rank1(found, rounds),
            [_at(fpir, found, today, rounds) for fpir in FPIRS if len(found.strangers) * fpir >= 1],
        )
        for policy, found in searches.items()
    ]


def at_threshold(found: Searches, distance: float, rounds: Sequence[np.ndarray]) -> AtThreshold:
    """What the platform does at this distance, which is itself accepted."""
    limit = float(np.nextafter(np.float32(distance), np.float32(np.inf)))
    fpir = _estimate(found.fpir(limit), np.array([found.fpir(limit, weights) for weights in rounds]))
    fnir = _estimate(found.fnir(limit), np.array([found.fnir(limit, weights) for weights in rounds]))
    return AtThreshold(
        round(distance, 6),
        _with_unseen_errors(fpir, found.stranger_faces),
        _with_unseen_errors(fnir, found.mated_faces),
    )


def _rank1(found: Searches, rounds: Sequence[np.ndarray]) -> Estimate:
    missed = _estimate(found.fnir(np.inf), np.array([found.fnir(np.inf, weights) for weights in rounds]))
    missed = _with_unseen_errors(missed, found.mated_faces)
    return Estimate(*(round(1 - share, 6) for share in (missed.value, missed.high, missed.low)))


def _at(fpir: float, found: Searches, today: Searches, rounds: Sequence[np.ndarray]) -> AtFpir:
    limit = found.limit(fpir)
    value, values = found.fnir(limit), np.array([found.fnir_at(fpir, weights) for weights in rounds])
    difference = None
    if found is not today:
        before = np.array([today.fnir_at(fpir, weights) for weights in rounds])
        difference = _estimate(value - today.fnir_at(fpir), values - before)
    accepted = int(np.searchsorted(found.stranger_scores, limit, "left"))
    fnir = _with_unseen_errors(_estimate(value, values), found.mated_faces)
    return AtFpir(fpir, fnir, _threshold(found, limit), accepted, difference)


def _estimate(value: float, drawn: np.ndarray) -> Estimate:
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (value, value)
    return Estimate(round(value, 6), round(min(float(low), value), 6), round(max(float(high), value), 6))


def _with_unseen_errors(errors: Estimate, faces: np.ndarray) -> Estimate:
    """Where there was no error, a bootstrap cannot see those that might happen: the rule of three over the faces instead."""
    if errors.value > 0:
        return errors
    return Estimate(errors.value, errors.low, max(errors.high, round(1 - 0.05 ** (1 / len(np.unique(faces))), 6)))


def _threshold(found: Searches, limit: float) -> float:
    """Half-way from `limit` to the next smaller score."""
    scores = np.concatenate([found.mated_scores, found.stranger_scores])
    below = scores[scores < limit]
    if not len(below):
        return round(limit, 6)
    return round(float(below.max() if np.isinf(limit) else (below.max() + limit) / 2), 6)


def det(found: Searches) -> Iterator[list[float]]:
    """The DET curve: [FPIR, FNIR, threshold] rows, with ascending FPIR."""
    for fpir in np.unique(np.geomspace(1 / len(found.strangers), 1, CURVE_POINTS)):
        limit = found.limit(float(fpir))
        yield [float(f"{value:.6g}") for value in (fpir, found.fnir(limit), _threshold(found, limit))]
