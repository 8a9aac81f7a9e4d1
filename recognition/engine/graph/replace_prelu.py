"""Replaces PReLU by operators that oneDNN has; MXNet's own PReLU runs outside it.

With a slope a that is not 1, PReLU(y) = (1 - a) (relu(y) + a / (1 - a) y): a ReLU, a depthwise 1x1 convolution that is added to
it, and a scale 1 - a that moves into the nodes that read the result. If all slopes are equal, a leaky ReLU does. Between
two fully connected layers, PReLU(y) = relu(y) - a relu(-y).
"""

import numpy as np

from recognition.engine.graph.ir import Graph, Node
from recognition.engine.graph.linear import Plan, plan_scaled_consumers

NEAREST_TO_ONE = 1e-3  # nearer to a slope of 1, 1 / (1 - a) would cost accuracy


def replace_prelu(graph: Graph) -> str:
    """Changes `graph` and reports what was done."""
    found = [node for node in graph.nodes() if node.op == "LeakyReLU" and node.value("act_type") == "prelu"]
    if not found:
        return "no PReLU"
    kept = [node.name for node in found if not any(replace(graph, node) for replace in REPLACEMENTS)]
    graph.drop_unused_params()
    if not kept:
        return f"all {len(found)} replaced"
    return f"{len(found) - len(kept)} of {len(found)} replaced; left alone: {', '.join(kept)}"


def _as_leaky(graph: Graph, node: Node) -> bool:
    slopes = graph.param(node, 1).ravel()
    if (slopes != slopes[0]).any():
        return False
    leaky = Node("LeakyReLU", node.name, {"act_type": "leaky", "slope": repr(float(slopes[0]))}, node.inputs[:1])
    graph.replace(node, leaky)
    return True


def _as_relu_and_depthwise(graph: Graph, node: Node) -> bool:
    slopes = graph.param(node, 1).ravel().astype("float64")
    if node.source().op == "FullyConnected":
        return False
    plan: Plan = []
    positive = Node("Activation", f"{node.name}_relu", {"act_type": "relu"}, [node.inputs[0]])
    if np.abs(1 - slopes).min() >= NEAREST_TO_ONE and plan_scaled_consumers(graph, node, 1 - slopes, plan):
        for change in plan:
            change()
        slopes = slopes / (1 - slopes)
    else:
        positive = _per_channel(graph, positive, 1 - slopes, f"{node.name}_positive")
    negative = _per_channel(graph, node.source(), slopes, f"{node.name}_linear")
    graph.replace(node, Node("elemwise_add", f"{node.name}_sum", {}, [(negative, 0), (positive, 0)]))
    return True


def _as_two_halves(graph: Graph, node: Node) -> bool:
    """For a PReLU between fully connected layers: the first returns y and -y, the second adds up relu(y) and -a relu(-y)."""
    dense, users = node.source(), graph.consumers()
    readers = [user for user in users[node] if user is not None and user.op == "FullyConnected"]
    if dense.op != "FullyConnected" or users[dense] != [node] or readers != users[node]:
        return False
    slopes = graph.param(node, 1).ravel()
    for number in range(1, len(dense.inputs)):
        value = graph.param(dense, number)
        graph.set_param(dense, number, np.concatenate([value, -value]), ("weight", "bias")[number - 1])
    dense.attrs["num_hidden"] = str(2 * len(slopes))
    for reader in readers:
        weight = graph.param(reader, 1)
        graph.set_param(reader, 1, np.concatenate([weight, -weight * slopes], axis=1), "weight")
    graph.replace(node, Node("Activation", f"{node.name}_relu", {"act_type": "relu"}, [(dense, 0)]))
    return True


def _per_channel(graph: Graph, source: Node, factor: np.ndarray, name: str) -> Node:
    """Multiplies `source` by `factor` (channels,), as a depthwise 1x1 convolution."""
    channels = str(len(factor))
    weight = graph.variable(f"{name}_weight", factor.reshape(-1, 1, 1, 1))
    attrs = {"num_filter": channels, "num_group": channels, "kernel": "(1, 1)", "no_bias": "True"}
    return Node("Convolution", name, attrs, [(source, 0), weight])


REPLACEMENTS = (_as_leaky, _as_relu_and_depthwise, _as_two_halves)  # the first that applies is used
