"""Measures how often an index finds the nearest person, on the gallery's own vectors, and tunes ef_search by it.

A probe is a sample's vector moved by the difference between two samples of one person, so that it resembles a new photo of
the person. It counts as found if the index finds somebody as near as the exact search does, within 1e-3: vectors are stored
in half precision. NumPy does the exact search, in blocks.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.db import DatabaseError

from faceplatform.database.trouble import trouble_of
from faceplatform.errors import Conflict
from gallery.models import VectorIndex
from gallery.search.query import distances_through_index
from gallery.search.vectors import VectorBlock, enrolled_vectors, nearest_distances

EF_SEARCH = (40, 50, 64, 80, 100, 125, 160, 200, 250, 320, 400, 500, 640, 800, 1000)
TARGET_RECALL = 0.99
PROBES = 4_000  # so many measure a recall of 0.99 to within a quarter of a per cent
BLOCK = 500  # probes at a time
ONE_SIDED_95 = 1.645  # standard deviations
TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Recall:
    """Recall@1 with `ef_search`: the nearest person was found for `found` of `probes`."""

    ef_search: int
    found: int
    probes: int

    @property
    def share(self) -> float:
        return self.found / self.probes

    @property
    def at_least(self) -> float:
        """Lower bound of the Wilson score interval: with 95 % certainty the recall is no lower."""
        n, p, z = self.probes, self.share, ONE_SIDED_95
        return (p + z * z / (2 * n) - z * math.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2)) / (1 + z * z / n)


def tune_index(index: VectorIndex, *, probes: int = PROBES) -> VectorIndex:
    """Sets the smallest ef_search whose recall is at least TARGET_RECALL with 95 % certainty, or else the largest.

    Puts the index into use. Raises Conflict if it has been dropped meanwhile.
    """
    *smaller, largest = EF_SEARCH
    probe_set = ProbeSet.draw(gallery_id=index.gallery_id, pack=index.pack, count=probes)
    for ef_search in smaller:
        recall = probe_set.recall(ef_search, target=TARGET_RECALL)
        if recall.at_least >= TARGET_RECALL:
            break
    else:
        recall = probe_set.recall(largest)
    index.ef_search, index.recall, index.recall_probes = recall.ef_search, recall.share, recall.probes
    index.state = VectorIndex.State.READY
    try:
        index.save(force_update=True)  # never a new row: it would stand for an index that is gone
    except DatabaseError as error:
        if trouble_of(error):
            raise
        raise Conflict("This index has been dropped meanwhile. Try again when it has been built anew.") from error
    return index


def measure_recall(
    *, gallery_id: UUID, pack: str, ef_search: Sequence[int] = EF_SEARCH, probes: int = PROBES
) -> Iterator[Recall]:
    """The recall with each ef_search, all on the same probes."""
    probe_set = ProbeSet.draw(gallery_id=gallery_id, pack=pack, count=probes)
    return (probe_set.recall(ef) for ef in ef_search)


@dataclass(frozen=True, slots=True)
class ProbeSet:
    """vectors: the probes, float32 (n, dim). nearest: each one's exact distance to the nearest sample, float32 (n,)."""

    gallery_id: UUID
    pack: str
    vectors: np.ndarray
    nearest: np.ndarray

    @classmethod
    def draw(cls, *, gallery_id: UUID, pack: str, count: int) -> "ProbeSet":
        """Up to `count` probes, made from samples drawn from the whole gallery."""
        vectors = _make_probes(gallery_id, pack, count)
        nearest = nearest_distances(gallery_id=gallery_id, pack=pack, probes=vectors)
        return cls(gallery_id, pack, vectors, nearest)

    def recall(self, ef_search: int, *, target: float = 0) -> Recall:
        """Measures the recall. Stops early, with the probes so far, once `at_least` can no longer reach `target`."""
        found = tried = 0
        for start in range(0, len(self.vectors), BLOCK):
            vectors = self.vectors[start : start + BLOCK]
            distances = distances_through_index(
                gallery_id=self.gallery_id, pack=self.pack, probes=vectors, ef_search=ef_search
            )
            found += int((distances <= self.nearest[start : start + BLOCK] + TOLERANCE).sum())
            tried += len(vectors)
            at_best = Recall(ef_search, found + len(self.vectors) - tried, len(self.vectors))
            if at_best.at_least < target:
                break
        return Recall(ef_search, found, tried)


def _make_probes(gallery_id: UUID, pack: str, count: int) -> np.ndarray:
    """float32 (count, dim), from the same samples in every run."""
    random = np.random.default_rng(0)
    probes, keys = np.empty((0, 0), "float32"), np.empty(0, "uint64")
    for block in enrolled_vectors(gallery_id=gallery_id, pack=pack):
        order_keys = _order_keys(block.samples)
        chosen = np.argsort(order_keys)[:count]
        moved = block.vectors[chosen] + _differences(block, random, len(chosen))
        probes = np.concatenate([probes, moved]) if len(probes) else moved
        keys = np.concatenate([keys, order_keys[chosen]])
        best = np.argsort(keys)[:count]
        probes, keys = probes[best], keys[best]
    return probes


def _order_keys(samples: np.ndarray) -> np.ndarray:
    """A pseudo-random number per sample, derived from its id, since rows come in no fixed order. uint64 (n,)."""
    high, low = np.ascontiguousarray(samples).view("<u8").reshape(-1, 2).T
    mixed = (high ^ (low * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ (mixed >> np.uint64(31))


def _differences(block: VectorBlock, random: np.random.Generator, count: int) -> np.ndarray:
    """Random differences between two samples of one person in the block; without any, 0.4 of those between two people."""
    order = np.argsort(block.identities.view("S16"), kind="stable")
    people, vectors = block.identities[order], block.vectors[order]
    steps = np.diff(vectors, axis=0)
    same = people[1:] == people[:-1]
    steps = steps[same] if same.any() else 0.4 * steps
    if not len(steps):
        return np.zeros((count, vectors.shape[1]), "float32")
    return steps[random.integers(len(steps), size=count)]
