"""Joins the narrow convolutions that a detector ends in, and simplifies its softmax over two classes.

Narrow convolutions over the same input use slow kernels, and each costs a change of memory layout. Joined and padded they
are one fast convolution.
"""

import numpy as np

from recognition.engine.graph.ir import Graph, Node
from recognition.engine.graph.linear import is_dense_convolution, is_linear

GEOMETRY = {"kernel": None, "stride": (1, 1), "pad": (0, 0), "dilate": (1, 1)}


def join_heads(graph: Graph, multiple: int) -> str:
    """Changes `graph` and reports what was done. multiple: of channels, to which a joined convolution is padded."""
    sigmoids = sum(_softmax_as_sigmoid(graph, node) for node in graph.nodes())
    joined = [_join(graph, nodes, multiple) for nodes in _siblings(graph, multiple)]
    graph.drop_unused_params()
    report = [f"{sum(joined)} joined into {len(joined)}"] if joined else []
    report += [f"{sigmoids} two-class softmax as sigmoid"] if sigmoids else []
    return "; ".join(report) or "no heads to join"


def _softmax_as_sigmoid(graph: Graph, node: Node) -> bool:
    """softmax(z)[1] of two classes is sigmoid(z[1] - z[0]): one channel instead of two."""
    if node.op != "slice_axis" or [node.value(key) for key in ("axis", "begin", "end")] != [1, 1, 2]:
        return False
    softmax = node.source()
    if softmax.op != "softmax" or softmax.value("axis", -1) != 1:
        return False
    linear = softmax.source()
    users = graph.consumers()
    if not is_linear(linear) or len(graph.param(linear, 1)) != 2 or len(users[linear]) + len(users[softmax]) != 2:
        return False
    for number, name in ((1, "weight"), (2, "bias")):
        if number < len(linear.inputs):
            both = graph.param(linear, number)
            graph.set_param(linear, number, both[1:] - both[:1], name)
    linear.attrs["num_hidden" if linear.op == "FullyConnected" else "num_filter"] = "1"
    graph.replace(node, Node("Activation", f"{node.name}_sigmoid", {"act_type": "sigmoid"}, [(linear, 0)]))
    return True


def _siblings(graph: Graph, multiple: int) -> list[list[Node]]:
    groups: dict[tuple[tuple[Node, int], tuple[str, ...]], list[Node]] = {}
    for node in graph.nodes():
        if is_dense_convolution(node):
            geometry = tuple(str(node.value(key, default)) for key, default in GEOMETRY.items())
            groups.setdefault((node.inputs[0], geometry), []).append(node)
    return [
        nodes
        for nodes in groups.values()
        if len(nodes) > 1 and any(int(node.value("num_filter")) % multiple for node in nodes)
    ]


def _join(graph: Graph, nodes: list[Node], multiple: int) -> int:
    weights = [graph.param(node, 1) for node in nodes]
    biases = [
        graph.param(node, 2) if len(node.inputs) > 2 else np.zeros(len(weight))
        for node, weight in zip(nodes, weights, strict=True)
    ]
    ends = np.cumsum([len(weight) for weight in weights])
    padding = -int(ends[-1]) % multiple
    name = "_".join(node.name for node in nodes)
    attrs = nodes[0].attrs | {"num_filter": str(int(ends[-1]) + padding), "no_bias": "False"}
    weight = graph.variable(f"{name}_weight", np.pad(np.concatenate(weights), ((0, padding), (0, 0), (0, 0), (0, 0))))
    bias = graph.variable(f"{name}_bias", np.pad(np.concatenate(biases), (0, padding)))
    whole = Node("Convolution", name, attrs, [nodes[0].inputs[0], weight, bias])
    for node, end, own in zip(nodes, ends.tolist(), weights, strict=True):
        part = {"axis": "1", "begin": str(end - len(own)), "end": str(end)}
        graph.replace(node, Node("slice_axis", f"{node.name}_part", part, [(whole, 0)]))
    return len(nodes)
