"""Which sightings of unknown people are of the same person. Arithmetic alone: what is stored and locked is the caller's.

A sighting joins the nearest person at once (`nearest_person`, `joined`); from time to time whole persons are merged
(`find_merges`). Both are stricter than recognition, as a wrong join is harder to see than a missing one.

The threshold is that of a gallery of as many faces as there are unknown people: each of them is a chance of a mistake.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from recognition.tracking.vectors import mean_vector

# Of the threshold, which was measured on single faces: means are nearer to everybody.
JOIN, MERGE, SUGGEST = 0.85, 0.85, 1.0
BLOCK = 1024  # vectors compared with all others at once


@dataclass(frozen=True, slots=True)
class Merge:
    """kept, merged: places of two persons; kept < merged. distance: L2, the mean over the pairs of their vectors."""

    kept: int
    merged: int
    distance: float


def nearest_person(
    vector: np.ndarray, centroids: np.ndarray, threshold: float, *, forbidden: Collection[int] = ()
) -> int | None:
    """The place of the person that a sighting joins; None for a new person.

    vector: float32 (dim,), the mean of a track. centroids: (n, dim). forbidden: places of those it must not join: ignored,
    declared to be others, or in the same frame as another track.
    """
    distances = np.linalg.norm(np.reshape(centroids, (-1, len(vector))) - vector, axis=1)
    distances[list(forbidden)] = np.inf
    if not len(distances):
        return None
    nearest = int(distances.argmin())
    return nearest if distances[nearest] <= JOIN * threshold else None


def joined(centroid: np.ndarray, count: int, vector: np.ndarray) -> np.ndarray:
    """The centroid of `count` sightings after one more. As long as they are on average, like a track's mean; float32 (dim,)."""
    return mean_vector(np.stack([centroid, vector]), np.array([count, 1.0]))


def find_merges(
    vectors: np.ndarray, people: np.ndarray, threshold: float, *, forbidden: Iterable[tuple[int, int]] = ()
) -> tuple[list[Merge], list[Merge]]:
    """Merges to be made, in this order, and then those to be suggested, nearest first. By average link.

    vectors: float32 (n, dim), of sightings. people: int (n,), the place of the person of each; 0 to the highest, none left
    out, the oldest first. forbidden: pairs of places that are different people; so then are those merged with them. The memory
    grows with the square of the people: 100 MB for 5,000.
    """
    between, sizes = _average_distances(vectors, people), np.bincount(people).astype("float32")
    for first, second in forbidden:
        between[first, second] = between[second, first] = np.inf
    merges = []
    while (merge := _nearest_pair(between)) and merge.distance <= MERGE * threshold:
        _merge(between, sizes, merge)
        merges.append(merge)
    return merges, _suggestions(between, threshold)


def _average_distances(vectors: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Mean distances between the vectors of each two people; float32 (m, m), inf on the diagonal."""
    order = np.argsort(people, kind="stable")
    vectors, people = vectors[order].astype("float32"), people[order]
    starts = np.searchsorted(people, np.arange(people[-1] + 1 if len(people) else 0))
    total = np.zeros((len(starts), len(starts)), "float32")
    squares = (vectors**2).sum(1)
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, start + BLOCK)
        distances = np.sqrt(np.maximum(squares[rows, None] + squares - 2 * vectors[rows] @ vectors.T, 0))
        np.add.at(total, people[rows], np.add.reduceat(distances, starts, axis=1))
    sizes = np.bincount(people)
    total /= sizes[:, None] * sizes
    np.fill_diagonal(total, np.inf)
    return total


def _nearest_pair(between: np.ndarray) -> Merge | None:
    if not between.size:
        return None
    first, second = sorted(divmod(int(between.argmin()), len(between)))
    distance = float(between[first, second])
    return Merge(first, second, distance) if np.isfinite(distance) else None


def _merge(between: np.ndarray, sizes: np.ndarray, merge: Merge) -> None:
    """Puts two people together, in place. A forbidden pair stays forbidden, as inf stays in a mean."""
    kept, merged = merge.kept, merge.merged
    mean = (sizes[kept] * between[kept] + sizes[merged] * between[merged]) / (sizes[kept] + sizes[merged])
    between[kept], between[:, kept] = mean, mean
    between[merged], between[:, merged], between[kept, kept] = np.inf, np.inf, np.inf
    sizes[kept] += sizes[merged]


def _suggestions(between: np.ndarray, threshold: float) -> list[Merge]:
    first, second = np.nonzero(np.triu(between <= SUGGEST * threshold, 1))
    found = [Merge(int(a), int(b), float(between[a, b])) for a, b in zip(first, second, strict=True)]
    return sorted(found, key=lambda merge: merge.distance)
