"""The open-set protocol: people of a gallery are searched for, and strangers who are not in it. No Django.

In each draw some people are strangers and the others are enrolled. A face of a stranger that finds anybody is a false
positive identification; their share is FPIR. A face of an enrolled person that does not find this person first, and within
the threshold, is a false negative identification; their share is FNIR. Rank-1 is the share that finds the person first at any
distance. The searches of all draws are counted together (ISO/IEC 19795-1; Phillips, Grother, Micheals, "Evaluation methods in
face recognition", 2011). searches.py makes figures of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

import numpy as np

from recognition.lab.evaluation.embedding import Failure
from recognition.lab.evaluation.policies import POLICIES, Gallery, Policy, Vectors
from recognition.lab.evaluation.searches import (
    FPIRS,
    AtThreshold,
    PolicyResult,
    Searches,
    at_threshold,
    bootstrap,
    det,
    judge,
    together,
)
from recognition.lab.evaluation.sets import SetError

FEWEST_PEOPLE, FEWEST_KNOWN = 8, 3
FEW_PEOPLE = 20  # with fewer, the bootstrap means little
MOST_FACES = 4000  # compared with each other; the memory grows with the square
MOST_OF_ONE = 100  # faces of a person, where there are more than MOST_FACES
DRAWS, STRANGERS = 20, 0.5


@dataclass(frozen=True, slots=True)
class LabelledFaces:
    """people: (n,) of a sortable type, who each face shows. samples, probes: float32 (n, dim), the faces as they are enrolled
    and as they are searched for. metric: "cosine" or "L2".
    """

    people: np.ndarray
    samples: np.ndarray
    probes: np.ndarray
    metric: str

    def __len__(self) -> int:
        return len(self.people)

    def of(self, chosen: np.ndarray) -> "LabelledFaces":
        return LabelledFaces(self.people[chosen], self.samples[chosen], self.probes[chosen], self.metric)


@dataclass(frozen=True, slots=True)
class Plan:
    """draws: how often the strangers are drawn. strangers: their share of the people. samples: how many faces of a person are
    enrolled at most; the others are searched for. With None, and of people who have no more, all are enrolled, and each is
    searched for without itself.
    """

    draws: int = DRAWS
    strangers: float = STRANGERS
    samples: int | None = None
    seed: int = 0

    def check(self) -> None:
        """Raises SetError."""
        if not 0 < self.strangers < 1:
            raise SetError("The share of strangers must lie between 0 and 1, such as 0.5.")
        if self.draws < 1 or (self.samples is not None and self.samples < 1):
            raise SetError("There must be at least one draw, and one sample of a person.")
        if self.seed < 0:
            raise SetError("The seed must be 0 or more.")


@dataclass(slots=True)
class OpenSetResult:
    """people, faces: that took part. enrolled: {"people", "faces"} in the gallery of a draw, the latter on average. draws,
    strangers, samples, seed: see Plan. searches: {"enrolled", "strangers"}, for enrolled people and by strangers, in all draws.
    policies: the first is what the platform does; see policies.POLICIES. det: the curve of each. at_threshold: what the
    platform's own threshold does.
    """

    set_name: str
    set_sha256: str
    metric: str
    people: int
    faces: int
    enrolled: dict[str, int]
    draws: int
    strangers: float
    samples: int | None
    seed: int
    searches: dict[str, int]
    policies: list[PolicyResult]
    det: dict[str, list[list[float]]]
    at_threshold: AtThreshold | None = None
    failures: list[Failure] = field(default_factory=list)
    engine: dict = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        """All values, ready for JSON."""
        return asdict(self)


def evaluate_open_set(
    faces: LabelledFaces,
    plan: Plan,
    *,
    name: str,
    sha256: str,
    threshold: Callable[[int], float] | None = None,
    policies: dict[str, Policy] = POLICIES,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> OpenSetResult:
    """Evaluates all policies on the same draws.

    threshold: the distance that the platform would use in a gallery of so many faces. progress: called with (draws done,
    draws). Raises SetError.
    """
    plan.check()
    random = np.random.default_rng(plan.seed)
    whole, faces = faces, _limited(faces, random)
    labels, people = np.unique(faces.people, return_inverse=True)
    _require_enough(people, len(labels))
    vectors = Vectors.of(faces.samples, faces.probes, cosine=faces.metric == "cosine")
    known = min(max(round(len(labels) * (1 - plan.strangers)), FEWEST_KNOWN), len(labels) - 1)
    found: dict[str, list[Searches]] = {policy: [] for policy in policies}
    enrolled = 0
    for done in range(plan.draws):
        draw = _draw(people, random.permutation(len(labels))[:known], plan.samples, random)
        gallery = Gallery(vectors, draw.enrolled)
        for policy, scores_of in policies.items():
            found[policy].append(draw.search(scores_of(gallery)))
        enrolled += sum(len(its) for its in draw.enrolled)
        progress(done + 1, plan.draws)
    searches = {policy: together(parts) for policy, parts in found.items()}
    enrolled = round(enrolled / plan.draws)
    today = next(iter(searches.values()))
    if not len(today.mated):
        raise SetError("No enrolled person has a second photo to search for. Give more photos of each person.")
    rounds = bootstrap(searches, len(labels), random)
    result = OpenSetResult(
        set_name=name, set_sha256=sha256, metric=faces.metric, people=len(labels), faces=len(faces),
        enrolled={"people": known, "faces": enrolled}, **asdict(plan),
        searches={"enrolled": len(today.mated), "strangers": len(today.strangers)},
        policies=judge(searches, rounds),
        det={policy: list(det(found)) for policy, found in searches.items()},
        at_threshold=at_threshold(today, threshold(enrolled), rounds) if threshold else None,
    )  # fmt: skip
    result.notes = list(_notes(result, whole, people))
    return result


def _limited(faces: LabelledFaces, random: np.random.Generator) -> LabelledFaces:
    """The faces of as many people, drawn at random, as can be compared with each other."""
    if len(faces) <= MOST_FACES:
        return faces
    _, people = np.unique(faces.people, return_inverse=True)
    order = random.permutation(people.max() + 1)
    drawn = [random.permutation(np.flatnonzero(people == person))[:MOST_OF_ONE] for person in order]
    fit = np.cumsum([len(its) for its in drawn]) <= MOST_FACES
    return faces.of(np.sort(np.concatenate([its for its, fits in zip(drawn, fit, strict=True) if fits])))


def _require_enough(people: np.ndarray, count: int) -> None:
    if count < FEWEST_PEOPLE:
        raise SetError(f"There are faces of {count} people, but searches with strangers need at least {FEWEST_PEOPLE}.")
    if np.bincount(people).max() < 2:
        raise SetError("Nobody has two photos: one to enrol and one to search for. Give more photos of each person.")


@dataclass(frozen=True, slots=True)
class _Draw:
    """people: (n,), of each face. known: who is enrolled. enrolled: the faces of each. mated, strangers: faces to search for."""

    people: np.ndarray
    known: np.ndarray
    enrolled: list[np.ndarray]
    mated: np.ndarray
    strangers: np.ndarray

    def search(self, scores: np.ndarray) -> Searches:
        """scores: (faces, known people)."""
        column = np.full(self.people.max() + 1, -1)
        column[self.known] = np.arange(len(self.known))
        rows, columns = np.arange(len(self.mated)), column[self.people[self.mated]]
        others = scores[self.mated]
        own = others[rows, columns].copy()
        others[rows, columns] = np.inf
        own[own >= others.min(1)] = np.inf
        nearest = scores[self.strangers].argmin(1)
        return Searches(
            mated=self.people[self.mated],
            mated_faces=self.mated,
            mated_scores=own,
            strangers=self.people[self.strangers],
            stranger_faces=self.strangers,
            stranger_scores=scores[self.strangers, nearest],
            nearest=self.known[nearest],
        )


def _draw(people: np.ndarray, known: np.ndarray, samples: int | None, random: np.random.Generator) -> _Draw:
    enrolled, mated = [], []
    for person in known:
        its = np.flatnonzero(people == person)
        chosen = its if samples is None or len(its) <= samples else np.sort(random.permutation(its)[:samples])
        enrolled.append(chosen)
        if len(chosen) < len(its):
            mated.append(np.setdiff1d(its, chosen))
        elif len(its) > 1:
            mated.append(its)
    searched = np.concatenate(mated) if mated else np.empty(0, int)
    return _Draw(people, known, enrolled, searched, np.flatnonzero(~np.isin(people, known)))


def _notes(result: OpenSetResult, whole: LabelledFaces, people: np.ndarray) -> Iterator[str]:
    if len(whole) > result.faces:
        yield (
            f"{result.faces} of {len(whole)} faces were compared, those of {result.people} people drawn at random: all with "
            "each other would take too much memory."
        )
    if single := int((np.bincount(people) == 1).sum()):
        yield f"Of {single} of the people there is one photo. They are strangers or enrolled, but are not searched for."
    if result.people < FEW_PEOPLE:
        yield f"With fewer than {FEW_PEOPLE} people the intervals mean little."
    if missing := [fpir for fpir in FPIRS if result.searches["strangers"] * fpir < 1]:
        yield (
            f"FNIR at FPIR {', '.join(f'{fpir:g}' for fpir in missing)} is left out: {result.searches['strangers']} searches "
            "by strangers are too few to measure so small a rate."
        )
