"""Losses over a batch's vectors, differentiated by MXNet's autograd. Each gives one number, the mean of the batch."""

from typing import Protocol

import numpy as np

from recognition.engine.mxnet_runtime import import_mxnet
from recognition.lab.training.margins import Margin, target_cosine

HEAD = "head_weight"  # (classes, dim): the direction that stands for each person


class Loss(Protocol):
    def initial_params(self, dim: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Weights of its own, by name."""

    def __call__(self, vectors, labels: np.ndarray, params: dict) -> tuple[object, float]:
        """vectors: NDArray (n, dim), as the net gives them. Returns the loss, an NDArray, and how much is right, 0–1."""


class MarginLoss:
    """Softmax over scaled cosines, an image's own one moved by a margin. Right: the own person's cosine is the largest."""

    def __init__(self, margin: Margin, classes: int):
        self.margin, self.classes = margin, classes

    def initial_params(self, dim: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        return {HEAD: random.normal(0, 0.01, (self.classes, dim)).astype("float32")}

    def __call__(self, vectors, labels: np.ndarray, params: dict) -> tuple[object, float]:
        nd = import_mxnet().nd
        target = nd.array(labels, ctx=vectors.context)
        weight = nd.L2Normalization(params[HEAD], mode="instance")
        cosines = nd.FullyConnected(
            nd.L2Normalization(vectors, mode="instance"), weight, no_bias=True, num_hidden=self.classes
        )
        own = nd.pick(cosines, target)
        # Value and slope are worked out by themselves (margins.py) and enter as a tangent: exact in value and gradient.
        value, slope = (nd.array(part, ctx=vectors.context) for part in target_cosine(own.asnumpy(), self.margin))
        moved = value + slope * (own - own.detach())
        change = nd.one_hot(target, self.classes) * (moved - own).expand_dims(1)
        chances = nd.log_softmax(self.margin.scale * (cosines + change))
        right = float((cosines.argmax(axis=1) == target).mean().asscalar())
        return -nd.pick(chances, target).mean(), right


class TripletLoss:
    """max(d(anchor, same) - d(anchor, other) + alpha, 0) over squared distances, for every pair of one person.

    The other is semi-hard, mined in the batch (FaceNet, CVPR 2015): the nearest of those beyond the pair, or the furthest
    where none is. Right: the other lies beyond the pair. unit: of vectors scaled to unit length, as cosine packs are.
    """

    def __init__(self, alpha: float = 0.3, *, unit: bool = True):
        self.alpha, self.unit = alpha, unit

    def initial_params(self, dim: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        return {}

    def __call__(self, vectors, labels: np.ndarray, params: dict) -> tuple[object, float]:
        nd = import_mxnet().nd
        if self.unit:
            vectors = nd.L2Normalization(vectors, mode="instance")
        triplets = mined(vectors.asnumpy(), labels)
        if not len(triplets[0]):
            return (vectors * 0).sum(), 1.0
        anchor, same, other = (nd.take(vectors, nd.array(part, ctx=vectors.context)) for part in triplets)
        near, far = ((anchor - one).square().sum(axis=1) for one in (same, other))
        return nd.relu(near - far + self.alpha).mean(), float((near < far).mean().asscalar())


def mined(vectors: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Anchor, same and other of every ordered pair of one person that has somebody else in the batch."""
    vectors = vectors.astype("float64")
    squares = ((vectors[:, None] - vectors[None]) ** 2).sum(2)
    same = labels[:, None] == labels[None]
    anchors, positives = np.nonzero(same & ~np.eye(len(labels), dtype=bool))
    distances = np.where(same[anchors], np.nan, squares[anchors])  # a row an anchor: to those of other people
    kept = ~np.isnan(distances).all(1)
    anchors, positives, distances = anchors[kept], positives[kept], distances[kept]
    if not len(anchors):
        return anchors, positives, anchors
    beyond = np.where(distances > squares[anchors, positives][:, None], distances, np.inf)
    nearest, furthest = beyond.argmin(1), np.nan_to_num(distances, nan=-1.0).argmax(1)
    others = np.where(np.isfinite(beyond).any(1), nearest, furthest)
    return anchors, positives, others
