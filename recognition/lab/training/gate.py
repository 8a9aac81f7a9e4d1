"""Is a fine-tuned net better on people it has not seen, or was it luck? A paired test, a person a pair.

For each held-out person, the balanced accuracy of the pairs they are in – half the share of pairs of them alone that are
accepted, half the share of pairs with somebody else that are refused – under the threshold that does best on the pairs
that they are not in. Both nets judge the same pairs, each by thresholds of its own. The differences are tested by flipping
their signs (a permutation test: were the nets equally good, either could have been the first). Pairs share people, so the
persons are not quite independent, and the test is a little too sure of itself.
"""

import itertools
from dataclasses import dataclass

import numpy as np

FEWEST = 8  # people; all signs of fewer cannot make a small p with one of them against
SIGNIFICANT = 0.05
EXACT = 14  # people up to whom all signs are tried
ROUNDS = 20_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """before, after: mean accuracy over the people. better, worse: how many of them. p: of the one-sided test."""

    accepted: bool
    before: float
    after: float
    people: int
    better: int
    worse: int
    p: float

    def sentence(self) -> str:
        words = "Accepted" if self.accepted else "Refused"
        return (
            f"{words}: accuracy on {self.people} people held out {self.before:.4f} before, {self.after:.4f} after; better "
            f"for {self.better}, worse for {self.worse}; p = {self.p:.4f} by flipping signs (needed: < {SIGNIFICANT})."
        )


def judge(before: np.ndarray, after: np.ndarray, people: np.ndarray, *, seed: int = 0) -> Verdict:
    """before, after: the two nets' vectors of the same faces, ordered by L2; people: (n,), whose face each is.

    Raises ValueError where fewer than FEWEST people have two faces and more.
    """
    accuracies = [accuracy_by_person(vectors, people) for vectors in (before, after)]
    if len(accuracies[0]) < FEWEST:
        raise ValueError(f"{len(accuracies[0])} people with two faces and more are held out; {FEWEST} are needed.")
    differences = accuracies[1] - accuracies[0]
    p = sign_flip_p(differences, seed=seed)
    means = [float(values.mean()) for values in accuracies]
    better, worse = int((differences > 1e-12).sum()), int((differences < -1e-12).sum())
    return Verdict(p < SIGNIFICANT and means[1] > means[0], *means, len(differences), better, worse, p)


def accuracy_by_person(vectors: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Of everybody with two faces and more; float64."""
    first, second = np.triu_indices(len(people), 1)
    distances = np.linalg.norm(vectors[first].astype("float64") - vectors[second], axis=1)
    one, other = people[first], people[second]
    same = one == other
    found = []
    for person in np.unique(people):
        involved = (one == person) | (other == person)
        if not (involved & same).any():
            continue
        threshold = _best_threshold(distances[~involved], same[~involved])
        accepted = distances[involved] <= threshold
        own = same[involved]
        found.append((accepted[own].mean() + (~accepted[~own]).mean()) / 2)
    return np.array(found)


def _best_threshold(distances: np.ndarray, same: np.ndarray) -> float:
    """Of the highest balanced accuracy, half-way to the next distance."""
    order = np.argsort(distances, kind="stable")
    ordered, flags = distances[order], same[order]
    gain = np.cumsum(np.where(flags, 1 / max(flags.sum(), 1), -1 / max((~flags).sum(), 1)))
    best = int(gain.argmax())
    return float(ordered[best : best + 2].mean())


def sign_flip_p(differences: np.ndarray, *, seed: int = 0) -> float:
    """The share of all ways to sign the differences whose sum is as large as theirs; drawn where there are too many."""
    if len(differences) <= EXACT:
        signs = np.array(list(itertools.product((1, -1), repeat=len(differences))))
        return float((signs @ differences >= differences.sum() - 1e-12).mean())
    signs = np.random.default_rng(seed).choice((1, -1), (ROUNDS, len(differences)))
    return float((1 + (signs @ differences >= differences.sum() - 1e-12).sum()) / (1 + ROUNDS))
