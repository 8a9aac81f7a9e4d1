"""Losses over a batch's vectors, differentiated by MXNet's autograd. Each gives one number, the mean over the batch."""

from typing import Any, Protocol

import numpy as np

from recognition.engine.mxnet_runtime import import_mxnet
from recognition.lab.training.margins import Margin, target_cosine

NDArray = Any
"""An mxnet.nd.NDArray; MXNet comes without types."""
HEAD = "head_weight"  # (classes, dim): the direction of each person


class Loss(Protocol):
    """A loss, with its own weights if it needs any."""

    def initial_params(self, dim: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """The loss's own weights, by name."""

    def __call__(self, vectors: NDArray, labels: np.ndarray, params: dict[str, NDArray]) -> tuple[NDArray, float]:
        """vectors: (n, dim), the net's output. Returns the loss, and the share of the batch that is right, 0–1."""


class MarginLoss:
    """Softmax over scaled cosines, with a margin on that of a face's own person. Right: this cosine is the largest."""

    def __init__(self, margin: Margin, classes: int):
        self.margin, self.classes = margin, classes

    def initial_params(self, dim: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        return {HEAD: random.normal(0, 0.01, (self.classes, dim)).astype("float32")}

    def __call__(self, vectors: NDArray, labels: np.ndarray, params: dict[str, NDArray]) -> tuple[NDArray, float]:
        nd = import_mxnet().nd
        target = nd.array(labels, ctx=vectors.context)
        weight = nd.L2Normalization(params[HEAD], mode="instance")
        cosines = nd.FullyConnected(
            nd.L2Normalization(vectors, mode="instance"), weight, no_bias=True, num_hidden=self.classes
        )
        own = nd.pick(cosines, target)
        # Value and slope are computed separately (margins.py) and enter as a tangent, exact in value and in gradient.
        value, slope = (nd.array(part, ctx=vectors.context) for part in target_cosine(own.asnumpy(), self.margin))
        moved = value + slope * (own - own.detach())
        change = nd.one_hot(target, self.classes) * (moved - own).expand_dims(1)
        log_probabilities = nd.log_softmax(self.margin.scale * (cosines + change))
        right = float((cosines.argmax(axis=1) == target).mean().asscalar())
        return -nd.pick(log_probabilities, target).mean(), right


class TripletLoss:
    """max(d(anchor, positive) - d(anchor, negative) + alpha, 0) over squared distances, for every pair of one person.

    The negative is semi-hard, mined in the batch (FaceNet, CVPR 2015): the nearest face further away than the positive, or
    the furthest if there is none. Right: the negative is further away than the positive. unit: scale vectors to unit length
    first, as for cosine packs.
    """

    def __init__(self, alpha: float = 0.3, *, unit: bool = True):
        self.alpha, self.unit = alpha, unit

    def initial_params(self, dim: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        return {}

    def __call__(self, vectors: NDArray, labels: np.ndarray, params: dict[str, NDArray]) -> tuple[NDArray, float]:
        nd = import_mxnet().nd
        if self.unit:
            vectors = nd.L2Normalization(vectors, mode="instance")
        triplets = mine_triplets(vectors.asnumpy(), labels)
        if not len(triplets[0]):
            return (vectors * 0).sum(), 1.0
        anchor, positive, negative = (nd.take(vectors, nd.array(part, ctx=vectors.context)) for part in triplets)
        near, far = ((anchor - face).square().sum(axis=1) for face in (positive, negative))
        return nd.relu(near - far + self.alpha).mean(), float((near < far).mean().asscalar())


def mine_triplets(vectors: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The places of anchor, positive and negative, int (k,) each, for every ordered pair of faces of one person.

    vectors: (n, dim). Empty if the batch has no two faces of one person or nobody else.
    """
    vectors = vectors.astype("float64")
    squares = ((vectors[:, None] - vectors[None]) ** 2).sum(2)
    same = labels[:, None] == labels[None]
    anchors, positives = np.nonzero(same & ~np.eye(len(labels), dtype=bool))
    distances = np.where(same[anchors], np.nan, squares[anchors])  # per anchor: to the faces of other people
    kept = ~np.isnan(distances).all(1)
    anchors, positives, distances = anchors[kept], positives[kept], distances[kept]
    if not len(anchors):
        return anchors, positives, anchors
    beyond = np.where(distances > squares[anchors, positives][:, None], distances, np.inf)
    nearest, furthest = beyond.argmin(1), np.nan_to_num(distances, nan=-1.0).argmax(1)
    negatives = np.where(np.isfinite(beyond).any(1), nearest, furthest)
    return anchors, positives, negatives
