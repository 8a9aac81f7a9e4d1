"""A gallery's own error rates, and the threshold for a target FPIR. No Django.

Two kinds of comparison are made: two photos, as in 1:1, and a face with a person, as in a search, by the distance to the
nearest of the person's faces. So a person with many faces offers as many chances of a mistake as in a real search. The
advice comes from the second kind: a stranger is taken for one of N people with probability FPIR = 1 - (1 - FAR)^N, where FAR
is the share of comparisons with another person's faces that are within the threshold.

How certain that is: comparisons that share a person depend on each other, so the bootstrap draws people, not pairs (Bolle,
Ratha, Pankanti, "Error analysis of pattern recognition systems: the subsets bootstrap", Computer Vision and Image
Understanding 93, 2004; Poh, Martin, Bengio, "Performance generalization in biometric authentication using joint user-specific
and sample bootstraps", IEEE PAMI 29, 2007). A comparison of two people is weighted by how often both were drawn; a person
drawn twice is not compared with itself as with a stranger. If few or no errors are expected, a bootstrap cannot see those
that did not happen. Then the exact Poisson limit bounds the threshold, with the comparisons counted as fewer independent ones
(the design effect, from the bootstrap). With no errors it is the rule of three (Louis, "Confidence intervals for a binomial
parameter after observing no successes", The American Statistician 35, 1981; ISO/IEC 19795-1): below three expected errors
nothing is advised. From thirty errors on, the rate counts as measured (the rule of 30: Doddington et al., "The NIST speaker
recognition evaluation", Speech Communication 31, 2000).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from recognition.lab.evaluation.neighbours import Faces

STEP = 0.01  # of the histograms, in distance
ROWS = 512  # faces compared with all others at a time
TAIL_LENGTH = 200_000  # how many of the smallest distances to other people are kept individually
DRAWS = 400  # of the bootstrap
CONFIDENCE = 0.95  # of each end of an interval on its own
FEWEST_PEOPLE = 20  # for the bootstrap
FEWEST_GENUINE = 30  # comparisons, for a FRR
FEWEST_ERRORS = -math.log(1 - CONFIDENCE)  # 3.0: so many may be expected although none is seen
PLENTY_OF_ERRORS = 30


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Every face compared with all others. Histograms count distances in bins of STEP, starting at 0.

    sizes: (people,), how many faces each person has. genuine_pairs, impostor_pairs: histograms of two photos.
    searched: histogram of a face with the nearest face of each other person, `impostors` comparisons in all. The nearest of
    them are in `tail` (k,), ascending, with `tail_people` (k, 2): the face's person, and the person compared with.
    own: (m,), distance of a face to the nearest other face of its person; own_people: (m,), that person.
    nearest_other: (n,), ascending, distance of each face to the nearest face of anybody else.
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
    """The advised threshold for a target FPIR among `people`. far: what a comparison with one person may then have.

    expected_errors: how many of the gallery's own comparisons would be wrong at that FAR, counted as independent ones.
    distance: the advised threshold. It is `low`, the careful end of the interval from `low` to `high` around `estimate`,
    unless the pack's 1:1 threshold is stricter (`capped`). None if there is too little data; then `needed_faces` (of more
    people) or `needed_people` say how many would be enough. Both are None if two people have the very same face.
    frr, with its interval: the share of the people's own faces that would not be found at that distance, each searched
    among the others; None if too few people have two faces. seen_fpir: the share of faces that would be taken for somebody
    else, each searched without its own person; None unless the whole gallery was compared.
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
    """Compares every face with every other, ROWS at a time. progress: called with how many faces are done."""
    collector = _Collector(faces)
    for first in range(0, len(faces), ROWS):
        rows = slice(first, min(first + ROWS, len(faces)))
        collector.add(rows)
        progress(rows.stop)
    return collector.result()


class _Collector:
    """Builds Comparisons from blocks of rows."""

    def __init__(self, faces: Faces):
        self.faces = faces
        # By the triangle inequality no distance is larger than twice the longest vector.
        longest = float(np.sqrt((faces.vectors**2).sum(1).max(initial=0)))
        self.bins = int(2 * longest / STEP) + 2
        self.genuine, self.all, self.searched = (np.zeros(self.bins, int) for _ in range(3))
        self.own = np.full(len(faces), np.inf, "float32")
        self.nearest_other = np.full(len(faces), np.inf, "float32")
        self.bound = np.inf  # the tail's largest distance, once it is full
        self.tail, self.tail_people = np.empty(0, "float32"), np.empty((0, 2), int)

    def add(self, rows: slice) -> None:
        faces = self.faces
        distances = faces.squares(faces.vectors[rows], slice(None))
        np.sqrt(np.maximum(distances, 0, out=distances), out=distances)
        self.all += self._binned(distances)
        people, firsts = np.unique(faces.people[rows], return_index=True)
        for person, part in zip(people, np.split(np.arange(rows.stop - rows.start), firsts[1:]), strict=True):
            own_columns = faces.range_of(person)
            genuine = distances[part[0] : part[-1] + 1, own_columns].copy()
            self.all -= self._binned(genuine)
            genuine[np.arange(len(part)), part + rows.start - own_columns.start] = np.inf
            self.genuine += self._binned(genuine[np.isfinite(genuine)])
            self.own[part + rows.start] = genuine.min(1)
        self._add_searches(rows, distances)

    def _add_searches(self, rows: slice, distances: np.ndarray) -> None:
        nearest = np.minimum.reduceat(distances, self.faces.starts[:-1], axis=1)
        people = self.faces.people[rows]
        nearest[np.arange(len(people)), people] = np.inf
        self.nearest_other[rows] = nearest.min(1)
        self.searched += self._binned(nearest[np.isfinite(nearest)])
        face, other = np.nonzero(nearest < self.bound)
        inside = np.isfinite(nearest[face, other])
        face, other = face[inside], other[inside]
        self.tail = np.concatenate([self.tail, nearest[face, other]])
        self.tail_people = np.concatenate([self.tail_people, np.stack([people[face], other], axis=1)])
        if len(self.tail) > TAIL_LENGTH:
            kept = np.argpartition(self.tail, TAIL_LENGTH)[:TAIL_LENGTH]
            self.tail, self.tail_people = self.tail[kept], self.tail_people[kept]
            self.bound = self.tail.max()

    def _binned(self, distances: np.ndarray) -> np.ndarray:
        return np.bincount((distances * (1 / STEP)).astype("int32").ravel(), minlength=self.bins)

    def result(self) -> Comparisons:
        order = np.argsort(self.tail, kind="stable")
        has_another = np.isfinite(self.own)
        return Comparisons(
            sizes=self.faces.sizes,
            genuine_pairs=self.genuine // 2,
            impostor_pairs=self.all // 2,
            searched=self.searched,
            impostors=int(self.searched.sum()),
            tail=self.tail[order],
            tail_people=self.tail_people[order],
            own=self.own[has_another],
            own_people=self.faces.people[has_another],
            nearest_other=np.sort(self.nearest_other),
        )


def rates(found: Comparisons) -> list[dict[str, float | None]]:
    """For each step of distance: FAR and FRR of two photos, and of a search; None if there was nothing to compare."""
    shares = {
        "far_pairs": _below(found.impostor_pairs),
        "frr_pairs": 1 - _below(found.genuine_pairs),
        "far": _below(found.searched),
        "frr": 1 - _below(np.bincount((found.own / STEP).astype(int), minlength=len(found.searched))),
    }
    edges = np.arange(1, len(found.searched) + 1) * STEP
    filled = np.flatnonzero(found.genuine_pairs + found.impostor_pairs)
    rows = []
    for at in range(filled[0], filled[-1] + 1):
        row: dict[str, float | None] = {"distance": round(float(edges[at]), 3)}
        for name, share in shares.items():
            row[name] = None if math.isnan(share[at]) else round(float(share[at]), 8)
        rows.append(row)
    return rows


def _below(counts: np.ndarray) -> np.ndarray:
    """The share of a histogram's distances that is below each bin's upper edge."""
    total = counts.sum()
    return np.cumsum(counts) / total if total else np.full(len(counts), np.nan)


def advise(
    found: Comparisons, fpirs: Sequence[float], *, people: int, loosest: float, everybody: bool, seed: int = 0
) -> list[Advice]:
    """The advice for each target FPIR.

    people: how many the whole gallery has. loosest: the pack's 1:1 threshold. everybody: whether `found` compares the whole
    gallery.
    """
    bootstrap = _Bootstrap(found, seed)
    targets = [_TargetFpir(found, fpir, people) for fpir in fpirs]
    for weights in bootstrap.weights:
        faces = float(weights @ found.sizes)
        total = faces * weights.sum() - float((found.sizes * weights) @ weights)
        errors = np.cumsum(weights[found.tail_people[:, 0]] * weights[found.tail_people[:, 1]])
        for target in targets:
            target.add_draw(errors, total)
    return [target.advice(bootstrap, loosest, everybody) for target in targets]


class _Bootstrap:
    """weights: (DRAWS, people), how often each person was drawn."""

    def __init__(self, found: Comparisons, seed: int):
        n = len(found.sizes)
        self.weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / max(n, 1)), size=DRAWS)

    def frr(self, found: Comparisons, distance: float) -> tuple[float, float, float] | None:
        """The share of faces that their person's other faces do not find within `distance`, with its interval."""
        people = len(found.sizes)
        compared = np.bincount(found.own_people, minlength=people)
        if len(found.own) < FEWEST_GENUINE or (compared > 0).sum() < FEWEST_PEOPLE:
            return None
        missed = np.bincount(found.own_people, weights=found.own > distance, minlength=people)
        drawn = (self.weights @ missed) / np.maximum(self.weights @ compared, 1)
        low, high = np.quantile(drawn, [1 - CONFIDENCE, CONFIDENCE]).tolist()
        if not missed.sum():
            # The exact limit, with people as the independent trials, since a person's faces are alike.
            high = 1 - (1 - CONFIDENCE) ** (1 / (compared > 0).sum())
        return float(missed.sum() / compared.sum()), low, high


class _TargetFpir:
    """A target FPIR, and what the bootstrap says about it."""

    def __init__(self, found: Comparisons, fpir: float, people: int):
        self.found, self.fpir, self.people = found, fpir, people
        self.far = 1.0 - (1.0 - fpir) ** (1.0 / max(people, 1))
        self.expected = self.far * found.impostors
        self.distances: list[float] = []
        self.rates: list[float] = []  # at the distance with `counted` errors
        self.counted = min(max(PLENTY_OF_ERRORS, int(self.expected)), len(found.tail))

    def add_draw(self, errors: np.ndarray, total: float) -> None:
        """errors: among the people drawn, up to each distance of the tail. total: how many comparisons they have."""
        allowed = int(np.searchsorted(errors, self.far * total, "right"))
        self.distances.append(_distance_with_errors(self.found.tail, allowed))
        self.rates.append(errors[self.counted - 1] / max(total, 1))

    @property
    def design_effect(self) -> float:
        """How many comparisons count as one independent one, because they share people (Kish, Survey Sampling, 1965).

        It is the variance among the draws, divided by that of as many independent comparisons; drawing both people of each
        comparison triples the latter (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007).
        """
        mean = np.mean(self.rates)
        return max(float(np.var(self.rates) / mean**2) * self.counted / 3, 1.0) if mean else 1.0

    def advice(self, bootstrap: _Bootstrap, loosest: float, everybody: bool) -> Advice:
        found, people = self.found, len(self.found.sizes)
        if people < FEWEST_PEOPLE:
            return replace(self._no_advice(), needed_people=FEWEST_PEOPLE)
        design_effect = self.design_effect
        no_advice = self._no_advice(design_effect)
        if (allowed := errors_allowed(self.expected / design_effect)) is None:
            needed = FEWEST_ERRORS * design_effect / (self.far * (people - 1))
            return replace(no_advice, needed_faces=math.ceil(needed))
        drawn_low, drawn_high = np.quantile(self.distances, [1 - CONFIDENCE, CONFIDENCE]).tolist()
        estimate = _distance_with_errors(found.tail, int(self.expected))
        low = min(estimate, _distance_with_errors(found.tail, int(allowed * design_effect)), drawn_low)
        low, estimate, high = (_rounded_down(value) for value in (low, estimate, max(estimate, drawn_high)))
        if low <= 0:
            return no_advice
        distance = min(low, loosest)
        seen = np.searchsorted(found.nearest_other, distance, "right") / len(found.nearest_other)
        frr, frr_low, frr_high = bootstrap.frr(found, distance) or (None, None, None)
        return replace(
            no_advice,
            distance=distance,
            estimate=estimate,
            low=low,
            high=high,
            capped=loosest < low,
            frr=frr,
            frr_low=frr_low,
            frr_high=frr_high,
            seen_fpir=float(seen) if everybody else None,
        )

    def _no_advice(self, design_effect: float = 1.0) -> Advice:
        return Advice(self.fpir, self.people, self.far, expected_errors=round(self.expected / design_effect, 2))


def errors_allowed(expected: float) -> int | None:
    """How many errors may be seen so that the true rate is below the target with probability CONFIDENCE.

    expected: how many errors there would be at the target. None: not even none would be enough. The exact Poisson limit.
    """
    counts = np.arange(int(expected) + 1)
    logs = counts * math.log(max(expected, 1e-300)) - expected - np.cumsum(np.log(np.maximum(counts, 1)))
    allowed = int(np.searchsorted(np.cumsum(np.exp(logs)), 1 - CONFIDENCE, "right")) - 1
    return allowed if allowed >= 0 else None


def _distance_with_errors(tail: np.ndarray, errors: int) -> float:
    """The distance that a threshold has to be below, if so many of the comparisons may be errors."""
    return float(tail[min(errors, len(tail) - 1)])


def _rounded_down(distance: float) -> float:
    """Rounded down to three places, and always below the distance itself, so that it is not accepted."""
    return (math.ceil(distance * 1000 - 1e-6) - 1) / 1000
