"""How often an index finds the nearest person, measured on the gallery's own vectors; and how far it has to look for that.

A probe is a sample's vector moved as far as two samples of one person lie apart: a view of the person yet unseen. It counts
as found where the person found is as near as the nearest of all, to 1e-3: vectors are stored in half precision. The exact
answers come from NumPy, in blocks.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from gallery.models import VectorIndex
from gallery.search.query import distances_through_index
from gallery.search.vectors import VectorBlock, enrolled_vectors, nearest_distances

EF_SEARCH = (40, 50, 64, 80, 100, 125, 160, 200, 250, 320, 400, 500, 640, 800, 1000)
WANTED_RECALL = 0.99
PROBES = 4_000  # as many put a recall of 0.99 within a quarter of a per cent
BLOCK = 500  # probes at a time
ONE_SIDED_95 = 1.645  # standard deviations
SAME = 1e-3


@dataclass(frozen=True, slots=True)
class Recall:
    """Recall@1 with `ef_search`: of `probes`, `found` found their nearest person."""

    ef_search: int
    found: int
    probes: int

    @property
    def share(self) -> float:
        return self.found / self.probes

    @property
    def at_least(self) -> float:
        """The lower end of Wilson's interval: with 95 % certainty the recall is no less."""
        n, p, z = self.probes, self.share, ONE_SIDED_95
        return (p + z * z / (2 * n) - z * math.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2)) / (1 + z * z / n)


def tune_index(index: VectorIndex, *, probes: int = PROBES) -> VectorIndex:
    """Takes the smallest ef_search with which the recall is surely WANTED_RECALL, else the largest; searches use the index
    from then on."""
    *smaller, largest = EF_SEARCH
    views = Views.of(gallery_id=index.gallery_id, pack=index.pack, count=probes)
    for ef_search in smaller:
        recall = views.recall(ef_search, wanted=WANTED_RECALL)
        if recall.at_least >= WANTED_RECALL:
            break
    else:
        recall = views.recall(largest)
    index.ef_search, index.recall, index.recall_probes = recall.ef_search, recall.share, recall.probes
    index.state = VectorIndex.State.READY
    index.save()
    return index


def measure_recall(
    *, gallery_id: UUID, pack: str, ef_search: Sequence[int] = EF_SEARCH, probes: int = PROBES
) -> Iterator[Recall]:
    """The recall with each ef_search, on the same probes."""
    views = Views.of(gallery_id=gallery_id, pack=pack, count=probes)
    return (views.recall(ef) for ef in ef_search)


@dataclass(frozen=True, slots=True)
class Views:
    """Probes, float32 (n, dim), and how far the nearest sample of all is from each, float32 (n,)."""

    gallery_id: UUID
    pack: str
    vectors: np.ndarray
    nearest: np.ndarray

    @classmethod
    def of(cls, *, gallery_id: UUID, pack: str, count: int) -> "Views":
        """Of up to `count` people's samples from all over the gallery."""
        vectors = _new_views(gallery_id, pack, count)
        nearest = nearest_distances(gallery_id=gallery_id, pack=pack, probes=vectors)
        return cls(gallery_id, pack, vectors, nearest)

    def recall(self, ef_search: int, *, wanted: float = 0) -> Recall:
        """wanted: given up, with the probes so far, as soon as so much cannot be reached any more."""
        found = looked = 0
        for start in range(0, len(self.vectors), BLOCK):
            vectors = self.vectors[start : start + BLOCK]
            distances = distances_through_index(
                gallery_id=self.gallery_id, pack=self.pack, probes=vectors, ef_search=ef_search
            )
            found += int((distances <= self.nearest[start : start + BLOCK] + SAME).sum())
            looked += len(vectors)
            at_best = Recall(ef_search, found + len(self.vectors) - looked, len(self.vectors))
            if at_best.at_least < wanted:
                break
        return Recall(ef_search, found, looked)


def _new_views(gallery_id: UUID, pack: str, count: int) -> np.ndarray:
    """Made-up views of people, of the same samples at every run. float32 (count, dim)."""
    random = np.random.default_rng(0)
    views, keys = np.empty((0, 0), "float32"), np.empty(0, "uint64")
    for block in enrolled_vectors(gallery_id=gallery_id, pack=pack):
        drawn = _draw(block.samples)
        chosen = np.argsort(drawn)[:count]
        moved = block.vectors[chosen] + _differences(block, random, len(chosen))
        views = np.concatenate([views, moved]) if len(views) else moved
        keys = np.concatenate([keys, drawn[chosen]])
        best = np.argsort(keys)[:count]
        views, keys = views[best], keys[best]
    return views


def _draw(samples: np.ndarray) -> np.ndarray:
    """A number a sample, as good as random, by its id: rows come in no certain order. uint64 (n,)."""
    high, low = np.ascontiguousarray(samples).view("<u8").reshape(-1, 2).T
    mixed = (high ^ (low * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ (mixed >> np.uint64(31))


def _differences(block: VectorBlock, random: np.random.Generator, count: int) -> np.ndarray:
    """Between two samples of one person, drawn from the block; where it has none, 0.4 of those between two people."""
    order = np.argsort(block.identities.view("S16"), kind="stable")
    people, vectors = block.identities[order], block.vectors[order]
    steps = np.diff(vectors, axis=0)
    same = people[1:] == people[:-1]
    steps = steps[same] if same.any() else 0.4 * steps
    if not len(steps):
        return np.zeros((count, vectors.shape[1]), "float32")
    return steps[random.integers(len(steps), size=count)]
