"""Moves a max pooling before the PReLU that it reads, so that the PReLU is computed on what is left, a quarter or so.

With a slope a of 0 or more PReLU rises, so pool(PReLU(y)) = PReLU(pool(y)). With a below 0, PReLU(y) = max(y, a y), so the
convolution returns a y as a channel of its own: pool(PReLU(y)) = max(u, v) = relu(u - v) + v with u = pool(y) and v = pool(a y).
"""

import numpy as np

from recognition.engine.graph.ir import Graph, Node
from recognition.engine.graph.linear import Plan, is_dense_convolution, plan_scaled_consumers


def pool_first(graph: Graph, multiple: int) -> str:
    """Changes `graph` and reports what was done. multiple: of channels, which a convolution is padded to anyway."""
    moved = sum(_move(graph, node, multiple) for node in graph.nodes())
    graph.drop_unused_params()
    return f"{moved} max poolings before their PReLU" if moved else "no max pooling to move before a PReLU"


def _move(graph: Graph, pooling: Node, multiple: int) -> bool:
    if pooling.op != "Pooling" or pooling.value("pool_type", "max") != "max":
        return False
    prelu = pooling.source()
    if prelu.op != "LeakyReLU" or prelu.value("act_type") != "prelu" or graph.consumers()[prelu] != [pooling]:
        return False
    slopes = graph.param(prelu, 1).ravel().astype("float64")
    if slopes.min() < 0:
        return _with_channels_of_their_own(graph, pooling, slopes, multiple)
    pooled = Node("Pooling", pooling.name, pooling.attrs, [prelu.inputs[0]])
    graph.replace(pooling, Node("LeakyReLU", prelu.name, prelu.attrs, [(pooled, 0), prelu.inputs[1]]))
    return True


def _with_channels_of_their_own(graph: Graph, pooling: Node, slopes: np.ndarray, multiple: int) -> bool:
    prelu = pooling.source()
    convolution = prelu.source()
    plan: Plan = []
    signs = np.where(slopes > 1, -1.0, 1.0)  # there PReLU(y) = a y - (a - 1) relu(y): its negative is a sum again
    if not (
        is_dense_convolution(convolution)
        and graph.param(convolution, 1).shape[0] == len(slopes)
        and graph.consumers()[convolution] == [prelu]
        and _has_room(len(slopes), int((slopes < 0).sum()), multiple)
        and plan_scaled_consumers(graph, pooling, signs, plan)
    ):
        return False
    for change in plan:
        change()
    pooled = Node("Pooling", pooling.name, pooling.attrs, [(_with_scaled(graph, convolution, slopes), 0)])
    rising, linear = _sides(slopes, signs)
    risen = _mixed(graph, pooled, rising, f"{prelu.name}_rise")
    positive = Node("Activation", f"{prelu.name}_relu", {"act_type": "relu"}, [(risen, 0)])
    rest = _mixed(graph, pooled, linear, f"{prelu.name}_linear")
    graph.replace(pooling, Node("elemwise_add", f"{prelu.name}_sum", {}, [(rest, 0), (positive, 0)]))
    return True


def _has_room(channels: int, more: int, multiple: int) -> bool:
    """Whether they take only what padding would have filled: wider convolutions cost more than this pass gains."""
    return -(-(channels + more) // multiple) == -(-channels // multiple)


def _with_scaled(graph: Graph, convolution: Node, slopes: np.ndarray) -> Node:
    """The convolution, which returns its channels y, and then a y of those with slopes a below 0."""
    below = slopes < 0
    for number, name in ((1, "weight"), (2, "bias")):
        if number < len(convolution.inputs):
            value = graph.param(convolution, number)
            scaled = value[below] * slopes[below].reshape(-1, *[1] * (value.ndim - 1))
            graph.set_param(convolution, number, np.concatenate([value, scaled]), name)
    convolution.attrs["num_filter"] = str(len(slopes) + int(below.sum()))
    return convolution


def _sides(slopes: np.ndarray, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matrices R and L (channels, channels with those a y): max(u, v), times its sign, is relu(R z) + L z."""
    below = np.flatnonzero(slopes < 0)
    own = np.arange(len(slopes), len(slopes) + len(below))
    rising, linear = (np.zeros((len(slopes), len(slopes) + len(below))) for _ in range(2))
    each = np.arange(len(slopes))
    rising[each, each], linear[each, each] = np.abs(1 - slopes), signs * slopes
    rising[below, below], linear[below, below] = 1, 0
    rising[below, own], linear[below, own] = -1, 1
    return rising, linear


def _mixed(graph: Graph, source: Node, matrix: np.ndarray, name: str) -> Node:
    """A dense 1x1 convolution."""
    weight = graph.variable(f"{name}_weight", matrix[:, :, None, None])
    attrs = {"num_filter": str(len(matrix)), "kernel": "(1, 1)", "no_bias": "True"}
    return Node("Convolution", name, attrs, [(source, 0), weight])
