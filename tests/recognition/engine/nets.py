"""Nets for testing passes, with random weights in the shapes of published nets."""

import numpy as np

from recognition.engine.graph.ir import Graph
from recognition.engine.graph.strip_scaling import strip_scaling
from recognition.engine.mxnet_runtime import Net
from recognition.lab.training.symbols import network, seeded_params


def published(name: str, *, dim: int = 128, seed: int = 0) -> Graph:
    """Builds a network of the InsightFace family, without the scaling of its input."""
    symbol = network(name, dim)
    graph = Graph.from_symbol(symbol, seeded_params(symbol, seed=seed))
    strip_scaling(graph)
    return graph


def drawn(symbol, *, seed: int = 0, **shapes) -> Graph:
    return Graph.from_symbol(symbol, seeded_params(symbol, seed=seed, input_shape=shapes["data"]))


def run(graph: Graph, batch: np.ndarray, *, fused: bool = False) -> list[np.ndarray]:
    return Net(graph, fused=fused)(batch)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")
