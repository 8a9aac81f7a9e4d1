"""A gallery's own error rates, and the threshold for a wanted FPIR. No Django.

Compared are two photos, as in 1:1, and a face with a person, as a search does it: the distance to the nearest of the
person's faces. So a person with many faces counts as the many chances to be mistaken for that they are. From the second
comes the advice: a stranger is taken for somebody among N people with probability FPIR = 1 - (1 - FAR)^N, where FAR is the
share of comparisons with somebody else's faces that lie within the threshold.

How sure that is: comparisons that share a person depend on each other, so people are drawn again and again, not pairs (the
subsets bootstrap: Bolle, Ratha, Pankanti, "Error analysis of pattern recognition systems: the subsets bootstrap", Computer
Vision and Image Understanding 93, 2004; Poh, Martin, Bengio, "Performance generalization in biometric authentication using
joint user-specific and sample bootstraps", IEEE PAMI 29, 2007). A comparison of two people weighs as often as both were drawn;
a person is never compared with itself as with a stranger. And where few errors or none are expected, a bootstrap cannot see
those that did not happen: the exact Poisson limit then bounds the threshold, for as many comparisons as they are worth
(the design effect, from the draws). At nought errors it is the rule of three (Louis,
"Confidence intervals for a binomial parameter after observing no successes", The American Statistician 35, 1981; ISO/IEC
19795-1): below three expected errors nothing is advised. From thirty on it is as good as measured (the rule of 30:
Doddington et al., "The NIST speaker recognition evaluation", Speech Communication 31, 2000).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recognition.lab.evaluation.neighbours import Faces

STEP = 0.01  # of the histograms, in distance
ROWS = 512  # faces compared with all others at a time
KEPT = 200_000  # smallest distances to other people that are kept one by one
DRAWS = 400  # of the bootstrap
SURE = 0.95  # each end of an interval, alone
FEWEST_PEOPLE = 20  # fewer are too few to draw again
FEWEST_GENUINE = 30  # comparisons, for a FRR
FEWEST_ERRORS = -math.log(1 - SURE)  # 3.0: none seen, there may be so many
PLENTY_OF_ERRORS = 30


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Every face of `sizes` (people,) compared with all others. Histograms count distances in bins of STEP from nought.

    genuine_pairs, impostor_pairs: of two photos. searched: of a face with the nearest face of another person; `impostors`
    comparisons in all, of which `tail` (k,) are the nearest, rising, with `tail_people` (k, 2): whose face, and whom with.
    own (m,): of a face with the nearest other of its own person, and own_people (m,).
    nearest_other (n,): rising, to the nearest face of anybody else.
    """

    sizes: np.ndarray
    genuine_pairs: np.ndarray
    impostor_pairs: np.ndarray
    searched: np.ndarray
    impostors: int
    tail: np.ndarray
    tail_people: np.ndarray
    own: np.ndarray
    own_people: np.ndarray
    nearest_other: np.ndarray


@dataclass(frozen=True, slots=True)
class Advice:
    """For a wanted FPIR at `people`: FAR is what a comparison with one person may have.

    expected_errors: how many of the gallery's own comparisons would be wrong at that FAR, counted as if they were
    independent. distance: the advised threshold, the careful end of the interval from `low` to `high` around the `estimate`;
    capped: it would be looser than the pack's for 1:1. None where there is too little to say, and `needed_faces` (of more
    people) or `needed_people` tell what would be enough; neither where two people have the very same face.
    frr, with its interval: how many of the people's own faces would not be found at that distance, each searched for among
    the others; None where too few people have two faces. seen_fpir: how many faces would be taken for somebody else, each
    searched for without its own person; None where not the whole gallery was compared.
    """

    fpir: float
    people: int
    far: float
    expected_errors: float
    distance: float | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    capped: bool = False
    frr: float | None = None
    frr_low: float | None = None
    frr_high: float | None = None
    seen_fpir: float | None = None
    needed_faces: int | None = None
    needed_people: int | None = None


def compare(faces: Faces, *, progress: Callable[[int], object] = lambda done: None) -> Comparisons:
    """Compares every face with every other, ROWS at a time. progress: hears how many faces are done."""
    found = _Collector(faces)
    for first in range(0, len(faces), ROWS):
        rows = slice(first, min(first + ROWS, len(faces)))
        found.add(rows)
        progress(rows.stop)
    return found.result()


class _Collector:
    def __init__(self, faces: Faces):
        self.faces = faces
        # The triangle inequality: no distance is larger than twice the longest vector.
        longest = float(np.sqrt((faces.vectors**2).sum(1).max(initial=0)))
        self.bins = int(2 * longest / STEP) + 2
        self.genuine, self.all, self.searched = (np.zeros(self.bins, int) for _ in range(3))
        self.own = np.full(len(faces), np.inf, "float32")
        self.nearest_other = np.full(len(faces), np.inf, "float32")
        self.bound = np.inf
        self.tail, self.tail_people = np.empty(0, "float32"), np.empty((0, 2), int)

    def add(self, rows: slice) -> None:
        faces = self.faces
        distances = faces.squares(faces.vectors[rows], slice(None))
        np.sqrt(np.maximum(distances, 0, out=distances), out=distances)
        self.all += self._binned(distances)
        people, firsts = np.unique(faces.people[rows], return_index=True)
        for person, part in zip(people, np.split(np.arange(rows.stop - rows.start), firsts[1:]), strict=True):
            mine = faces.range_of(person)
            genuine = distances[part[0] : part[-1] + 1, mine].copy()
            self.all -= self._binned(genuine)
            genuine[np.arange(len(part)), part + rows.start - mine.start] = np.inf
            self.genuine += self._binned(genuine[np.isfinite(genuine)])
            self.own[part + rows.start] = genuine.min(1)
        self._add_searches(rows, distances)

    def _add_searches(self, rows: slice, distances: np.ndarray) -> None:
        nearest = np.minimum.reduceat(distances, self.faces.starts[:-1], axis=1)
        mine = self.faces.people[rows]
        nearest[np.arange(len(mine)), mine] = np.inf
        self.nearest_other[rows] = nearest.min(1)
        self.searched += self._binned(nearest[np.isfinite(nearest)])
        face, other = np.nonzero(nearest < self.bound)
        inside = np.isfinite(nearest[face, other])
        face, other = face[inside], other[inside]
        self.tail = np.concatenate([self.tail, nearest[face, other]])
        self.tail_people = np.concatenate([self.tail_people, np.stack([mine[face], other], axis=1)])
        if len(self.tail) > KEPT:
            kept = np.argpartition(self.tail, KEPT)[:KEPT]
            self.tail, self.tail_people = self.tail[kept], self.tail_people[kept]
            self.bound = self.tail.max()

    def _binned(self, distances: np.ndarray) -> np.ndarray:
        return np.bincount((distances * (1 / STEP)).astype("int32").ravel(), minlength=self.bins)

    def result(self) -> Comparisons:
        order = np.argsort(self.tail, kind="stable")
        known = np.isfinite(self.own)
        return Comparisons(
            sizes=self.faces.sizes,
            genuine_pairs=self.genuine // 2,
            impostor_pairs=self.all // 2,
            searched=self.searched,
            impostors=int(self.searched.sum()),
            tail=self.tail[order],
            tail_people=self.tail_people[order],
            own=self.own[known],
            own_people=self.faces.people[known],
            nearest_other=np.sort(self.nearest_other),
        )


def rates(found: Comparisons) -> list[dict[str, float | None]]:
    """At each step of distance: FAR and FRR of two photos, and of a search. None where there was nothing to compare."""
    shares = {
        "far_pairs": _below(found.impostor_pairs),
        "frr_pairs": 1 - _below(found.genuine_pairs),
        "far": _below(found.searched),
        "frr": 1 - _below(np.bincount((found.own / STEP).astype(int), minlength=len(found.searched))),
    }
    edges = np.arange(1, len(found.searched) + 1) * STEP
    wanted = np.flatnonzero(found.genuine_pairs + found.impostor_pairs)
    return [
        {"distance": round(float(edges[at]), 3)}
        | {name: None if math.isnan(share[at]) else round(float(share[at]), 8) for name, share in shares.items()}
        for at in range(wanted[0], wanted[-1] + 1)
    ]


def _below(counts: np.ndarray) -> np.ndarray:
    total = counts.sum()
    return np.cumsum(counts) / total if total else np.full(len(counts), np.nan)


def advise(
    found: Comparisons, fpirs: Sequence[float], *, people: int, loosest: float, everybody: bool, seed: int = 0
) -> list[Advice]:
    """people: of the whole gallery. loosest: the pack's 1:1 threshold. everybody: whether all of the gallery was compared."""
    drawn = _Draws(found, seed)
    wanted = [_Wanted(found, fpir, people) for fpir in fpirs]
    for weights in drawn.weights:
        faces = float(weights @ found.sizes)
        total = faces * weights.sum() - float((found.sizes * weights) @ weights)
        wrong = np.cumsum(weights[found.tail_people[:, 0]] * weights[found.tail_people[:, 1]])
        for one in wanted:
            one.add_draw(wrong, total)
    return [one.advice(drawn, loosest, everybody) for one in wanted]


class _Draws:
    """How often each person was drawn: weights (DRAWS, people)."""

    def __init__(self, found: Comparisons, seed: int):
        n = len(found.sizes)
        self.weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / max(n, 1)), size=DRAWS)

    def frr(self, found: Comparisons, distance: float) -> dict[str, float | None]:
        """The share of faces that their person's others do not find within `distance`, with its interval."""
        people = len(found.sizes)
        compared = np.bincount(found.own_people, minlength=people)
        if len(found.own) < FEWEST_GENUINE or (compared > 0).sum() < FEWEST_PEOPLE:
            return {"frr": None, "frr_low": None, "frr_high": None}
        missed = np.bincount(found.own_people, weights=found.own > distance, minlength=people)
        drawn = (self.weights @ missed) / np.maximum(self.weights @ compared, 1)
        low, high = np.quantile(drawn, [1 - SURE, SURE]).tolist()
        if not missed.sum():
            high = 1 - (1 - SURE) ** (1 / (compared > 0).sum())  # the exact limit, for people: their faces are alike
        return {"frr": float(missed.sum() / compared.sum()), "frr_low": low, "frr_high": high}


class _Wanted:
    """A wanted FPIR, and what the draws say of it."""

    def __init__(self, found: Comparisons, fpir: float, people: int):
        self.found, self.fpir, self.people = found, fpir, people
        self.far = 1.0 - (1.0 - fpir) ** (1.0 / max(people, 1))
        self.expected = self.far * found.impostors
        self.distances: list[float] = []
        self.rates: list[float] = []  # at the distance with `counted` errors
        self.counted = min(max(PLENTY_OF_ERRORS, int(self.expected)), len(found.tail))

    def add_draw(self, wrong: np.ndarray, total: float) -> None:
        """wrong: the errors among the people drawn at each distance of the tail; total: of so many comparisons."""
        self.distances.append(_with_errors(self.found.tail, int(np.searchsorted(wrong, self.far * total, "right"))))
        self.rates.append(wrong[self.counted - 1] / max(total, 1))

    @property
    def depend(self) -> float:
        """How many comparisons count as one, because they share people (the design effect: Kish, Survey Sampling, 1965).

        The variance among the draws by that of as many independent comparisons, which drawing both people of each
        triples (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007).
        """
        mean = np.mean(self.rates)
        return max(float(np.var(self.rates) / mean**2) * self.counted / 3, 1.0) if mean else 1.0

    def advice(self, drawn: _Draws, loosest: float, everybody: bool) -> Advice:
        found, people = self.found, len(self.found.sizes)
        some = {"fpir": self.fpir, "people": self.people, "far": self.far}
        if people < FEWEST_PEOPLE:
            return Advice(**some, expected_errors=round(self.expected, 2), needed_people=FEWEST_PEOPLE)
        depend = self.depend
        some["expected_errors"] = round(self.expected / depend, 2)
        if (surely := errors_allowed(self.expected / depend)) is None:
            needed = FEWEST_ERRORS * depend / (self.far * (people - 1))
            return Advice(**some, needed_faces=math.ceil(needed))
        drawn_low, drawn_high = np.quantile(self.distances, [1 - SURE, SURE]).tolist()
        estimate = _with_errors(found.tail, int(self.expected))
        low = min(estimate, _with_errors(found.tail, int(surely * depend)), drawn_low)
        low, estimate, high = (_rounded_down(value) for value in (low, estimate, max(estimate, drawn_high)))
        if low <= 0:
            return Advice(**some)
        distance = min(low, loosest)
        seen = np.searchsorted(found.nearest_other, distance, "right") / len(found.nearest_other)
        return Advice(
            **some,
            distance=distance,
            estimate=estimate,
            low=low,
            high=high,
            capped=loosest < low,
            seen_fpir=float(seen) if everybody else None,
            **drawn.frr(found, distance),
        )


def errors_allowed(expected: float) -> int | None:
    """How many errors may be seen, so that the true rate is below the wanted one with probability SURE; None: not even nought.

    expected: how many there would be at the wanted rate. The exact Poisson limit.
    """
    counts = np.arange(int(expected) + 1)
    logs = counts * math.log(max(expected, 1e-300)) - expected - np.cumsum(np.log(np.maximum(counts, 1)))
    allowed = int(np.searchsorted(np.cumsum(np.exp(logs)), 1 - SURE, "right")) - 1
    return allowed if allowed >= 0 else None


def _with_errors(tail: np.ndarray, errors: int) -> float:
    """The first distance that is too much where so many of the comparisons may pass: thresholds lie just below."""
    return float(tail[min(errors, len(tail) - 1)])


def _rounded_down(distance: float) -> float:
    """To three places, and below the distance itself, so that it lies outside."""
    return (math.ceil(distance * 1000 - 1e-6) - 1) / 1000
