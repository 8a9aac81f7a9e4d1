"""Ways to compare a face with a person of several samples. No Django.

Every policy gives a score for each face with each person of a gallery, float (faces, people); the lower, the more alike. A
face is never compared with its own enrolment: where it is enrolled itself, its person is scored without it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

FEW = 3  # samples that `best_few` averages
COHORT = 20  # nearest impostors that `s_norm` measures by, or all if there are fewer
LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, slots=True)
class Vectors:
    """Faces as they are enrolled and as they are searched for, float32 (n, dim) each; cosine says how means are scaled.

    distances: (n, n), from face i as a probe to face j as a sample; between: (n, n), from sample to sample. Both are L2, and
    infinite between a face and itself.
    """

    samples: np.ndarray
    probes: np.ndarray
    cosine: bool
    distances: np.ndarray
    between: np.ndarray

    @classmethod
    def of(cls, samples: np.ndarray, probes: np.ndarray, *, cosine: bool) -> "Vectors":
        made = cls(samples, probes, cosine, _distances(probes, samples), _distances(samples, samples))
        np.fill_diagonal(made.distances, np.inf)
        np.fill_diagonal(made.between, np.inf)
        return made


@dataclass(frozen=True)
class Gallery:
    """People, as the numbers of the faces enrolled for each.

    nearest, mean, others_of_people: what several policies start from, (faces, people) each; computed once.
    """

    vectors: Vectors
    people: Sequence[np.ndarray]

    @cached_property
    def nearest(self) -> np.ndarray:
        return np.stack([self.vectors.distances[:, faces].min(1) for faces in self.people], axis=1)

    @cached_property
    def mean(self) -> np.ndarray:
        return _to_means(self.vectors, self.people)

    @cached_property
    def others_of_people(self) -> tuple[np.ndarray, np.ndarray]:
        return _others_of_people(self.vectors.between, self.people)


Policy = Callable[[Gallery], np.ndarray]


def nearest(gallery: Gallery) -> np.ndarray:
    """The distance to the person's nearest sample; inf if there is none but the face itself."""
    return gallery.nearest


def best_few(gallery: Gallery) -> np.ndarray:
    """The mean distance to the person's FEW nearest samples, or to all if there are fewer."""
    return np.stack([_mean_of_few(gallery.vectors.distances[:, faces]) for faces in gallery.people], axis=1)


def _mean_of_few(distances: np.ndarray) -> np.ndarray:
    few = np.sort(distances, axis=1)[:, :FEW]
    there = np.isfinite(few)
    count = there.sum(1)
    return np.where(count > 0, np.where(there, few, 0).sum(1) / np.maximum(count, 1), np.inf)


def mean_vector(gallery: Gallery) -> np.ndarray:
    """The distance to the mean of the person's samples, scaled to unit length for cosine packs."""
    return gallery.mean


def _to_means(vectors: Vectors, people: Sequence[np.ndarray]) -> np.ndarray:
    scaled = _unit if vectors.cosine else np.asarray
    means = scaled(np.stack([vectors.samples[faces].mean(0) for faces in people]))
    distances = _distances(vectors.probes, means)
    for person, faces in enumerate(people):
        if len(faces) == 1:
            distances[faces, person] = np.inf
        else:
            samples = vectors.samples[faces]
            without = scaled((samples.sum(0) - samples) / (len(faces) - 1))
            distances[faces, person] = np.linalg.norm(vectors.probes[faces] - without, axis=1)
    return distances


def nearest_or_mean(gallery: Gallery) -> np.ndarray:
    """The nearest sample, with the mean of the samples as one more sample."""
    return np.minimum(gallery.nearest, gallery.mean)


def s_norm(gallery: Gallery) -> np.ndarray:
    """The nearest sample's distance, measured by the impostors of both sides (adaptive symmetric normalisation).

    In deviations from the mean of the COHORT nearest other people of the face, and of the COHORT nearest samples of other
    people to the person; the average of the two. The cohort is the gallery itself (Matejka et al., Interspeech 2017). Needs
    at least three people.
    """
    scores = gallery.nearest.astype("float64")
    cohorts = (_others_of_faces(scores), gallery.others_of_people)
    parts = [(scores - mean) / np.maximum(deviation, LEAST_DEVIATION) for mean, deviation in cohorts]
    return sum(parts) / 2


def s_shift(gallery: Gallery) -> np.ndarray:
    """As `s_norm`, but from the means alone: a deviation of few impostors is itself uncertain."""
    scores = gallery.nearest.astype("float64")
    return scores - (_others_of_faces(scores)[0] + gallery.others_of_people[0]) / 2


def _others_of_faces(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each score, the mean and deviation of the COHORT smallest others of its row, (r, c) each; inf does not count."""
    count = min(COHORT, int(np.isfinite(scores).sum(1).min()) - 1)
    smallest = np.sort(np.partition(scores, count, axis=1)[:, : count + 1], axis=1)
    inside = scores <= smallest[:, -1:]
    mine = np.where(inside, scores, smallest[:, -1:])  # what is taken out: the score itself, or else the largest
    mean = (smallest.sum(1, keepdims=True) - mine) / count
    squares = ((smallest**2).sum(1, keepdims=True) - mine**2) / count
    return mean, np.sqrt(np.maximum(squares - mean**2, 0))


def _others_of_people(between: np.ndarray, people: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each person's nearest samples of others, (faces, people) each.

    A face that is enrolled is left out: of its own person's samples, and of the other people's impostors.
    """
    enrolled = np.concatenate(people)
    scores = np.full((len(between), len(people)), np.inf)
    for person, faces in enumerate(people):
        scores[enrolled, person] = between[np.ix_(enrolled, faces)].min(1)
        scores[faces, person] = np.inf
    mean, deviation = (values.T.copy() for values in _others_of_faces(scores.T))
    for person, faces in enumerate(people):
        if len(faces) > 1:
            others = between[np.ix_(np.setdiff1d(enrolled, faces), faces)]
            mean[faces, person], deviation[faces, person] = _without_each(others)
    return mean, deviation


def _without_each(others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """others: (k, m), impostors to a person's samples. The cohort's mean and deviation (m,) without each of the samples."""
    first, second = np.partition(others, 1, axis=1)[:, :2].T
    scores = np.where(np.arange(others.shape[1]) == others.argmin(1)[:, None], second[:, None], first[:, None])
    cohort = np.sort(scores.astype("float64"), axis=0)[:COHORT]
    return cohort.mean(0), cohort.std(0)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0, out=squares), out=squares)


POLICIES: dict[str, Policy] = {
    "nearest": nearest,
    "best_few": best_few,
    "mean_vector": mean_vector,
    "nearest_or_mean": nearest_or_mean,
    "s_norm": s_norm,
    "s_shift": s_shift,
}
"""By name; the first is what the platform does."""
