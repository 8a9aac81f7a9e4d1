"""Means of vectors that can be compared with single vectors, and what a mean leaves out."""

import numpy as np


def mean_vector(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted mean of float32 (n, dim), as long as they are on average; float32 (dim,).

    A plain mean is shorter, as what differs between the vectors cancels out. That would bring it nearer to everybody.
    """
    mean = np.average(vectors, axis=0, weights=weights)
    length = np.average(np.linalg.norm(vectors, axis=1), weights=weights)
    return (mean * (length / max(float(np.linalg.norm(mean)), 1e-12))).astype("float32")


def spread_around(mean: np.ndarray, vectors: np.ndarray, weights: np.ndarray) -> float:
    """How far the vectors lie from their mean: the root of the weighted mean of their squared distances."""
    return float(np.sqrt(np.average(((vectors - mean) ** 2).sum(1), weights=weights)))
