"""Decides whether a fine-tuned net is better on people it has not seen, or was just lucky, by a paired test over people.

For each person held out, the balanced accuracy of the pairs that contain this person is computed: the mean of the share of
genuine pairs accepted and the share of impostor pairs refused, under the threshold that is best on the pairs without this
person. Both nets judge the same pairs, each with its own thresholds. The differences are tested by flipping their signs (a
permutation test: if the nets were equally good, either could have been the first). Pairs share people, so people are not
quite independent, and the test is slightly overconfident.
"""

import itertools
from dataclasses import dataclass

import numpy as np

FEWEST = 8  # people; with fewer, a single one who is worse would already keep p from being small
SIGNIFICANT = 0.05
EXACT = 14  # up to so many people all combinations of signs are tried
ROUNDS = 20_000  # random combinations of signs for more people


@dataclass(frozen=True, slots=True)
class Verdict:
    """before, after: mean balanced accuracy over the people. better, worse: numbers of people. p: of the one-sided test."""

    accepted: bool
    before: float
    after: float
    people: int
    better: int
    worse: int
    p: float

    def sentence(self) -> str:
        """The verdict for people to read."""
        decision = "Accepted" if self.accepted else "Refused"
        return (
            f"{decision}: accuracy on {self.people} people held out was {self.before:.4f} before and is {self.after:.4f} now; "
            f"better for {self.better}, worse for {self.worse}; p = {self.p:.4f} by sign flips (needed: < {SIGNIFICANT})."
        )


def judge(before: np.ndarray, after: np.ndarray, people: np.ndarray, *, seed: int = 0) -> Verdict:
    """before, after: the two nets' vectors of the same faces, (n, dim), compared by L2. people: (n,), each face's person.

    Raises ValueError if fewer than FEWEST people have at least two faces.
    """
    accuracy_before, accuracy_after = (accuracy_by_person(vectors, people) for vectors in (before, after))
    if len(accuracy_before) < FEWEST:
        raise ValueError(f"{len(accuracy_before)} people with at least two faces are held out; {FEWEST} are needed.")
    differences = accuracy_after - accuracy_before
    p = sign_flip_p(differences, seed=seed)
    mean_before, mean_after = float(accuracy_before.mean()), float(accuracy_after.mean())
    return Verdict(
        accepted=p < SIGNIFICANT and mean_after > mean_before,
        before=mean_before,
        after=mean_after,
        people=len(differences),
        better=int((differences > 1e-12).sum()),
        worse=int((differences < -1e-12).sum()),
        p=p,
    )


def accuracy_by_person(vectors: np.ndarray, people: np.ndarray) -> np.ndarray:
    """The balanced accuracy of each person with at least two faces; float64."""
    first, second = np.triu_indices(len(people), 1)
    distances = np.linalg.norm(vectors[first].astype("float64") - vectors[second], axis=1)
    one, other = people[first], people[second]
    same = one == other
    accuracies = []
    for person in np.unique(people):
        involved = (one == person) | (other == person)
        if not (involved & same).any():
            continue
        threshold = _best_threshold(distances[~involved], same[~involved])
        accepted = distances[involved] <= threshold
        own = same[involved]
        accuracies.append((accepted[own].mean() + (~accepted[~own]).mean()) / 2)
    return np.array(accuracies)


def _best_threshold(distances: np.ndarray, same: np.ndarray) -> float:
    """The threshold with the highest balanced accuracy, half-way to the next distance."""
    order = np.argsort(distances, kind="stable")
    ordered, flags = distances[order], same[order]
    gain = np.cumsum(np.where(flags, 1 / max(flags.sum(), 1), -1 / max((~flags).sum(), 1)))
    best = int(gain.argmax())
    return float(ordered[best : best + 2].mean())


def sign_flip_p(differences: np.ndarray, *, seed: int = 0) -> float:
    """The share of all combinations of signs for which the sum is at least as large as the actual one.

    For more than EXACT differences, a random sample of the combinations is used.
    """
    if len(differences) <= EXACT:
        signs = np.array(list(itertools.product((1, -1), repeat=len(differences))))
        return float((signs @ differences >= differences.sum() - 1e-12).mean())
    signs = np.random.default_rng(seed).choice((1, -1), (ROUNDS, len(differences)))
    return float((1 + (signs @ differences >= differences.sum() - 1e-12).sum()) / (1 + ROUNDS))
