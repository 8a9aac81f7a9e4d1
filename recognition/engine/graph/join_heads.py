"""Joins what detectors end in: several narrow convolutions over the same input, and a softmax over two classes.

Narrow convolutions run in slow kernels and cost a change of memory layout each; joined and padded they are one fast one.
"""

import numpy as np

from recognition.engine.graph.ir import Graph, Node
from recognition.engine.graph.linear import is_dense_convolution, is_linear

GEOMETRY = {"kernel": None, "stride": (1, 1), "pad": (0, 0), "dilate": (1, 1)}


def join_heads(graph: Graph, multiple: int) -> str:
    """Changes `graph`; says what was done."""
    sigmoids = sum(_softmax_as_sigmoid(graph, node) for node in graph.nodes())
    joined = [_join(graph, nodes, multiple) for nodes in _siblings(graph, multiple)]
    graph.drop_unused_params()
    done = [f"{sum(joined)} joined into {len(joined)}"] if joined else []
    done += [f"{sigmoids} two-class softmax as sigmoid"] if sigmoids else []
    return "; ".join(done) or "no heads to join"


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
    groups: dict[tuple, list[Node]] = {}
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
    more = -int(ends[-1]) % multiple
    name = "_".join(node.name for node in nodes)
    attrs = nodes[0].attrs | {"num_filter": str(int(ends[-1]) + more), "no_bias": "False"}
    weight = graph.variable(f"{name}_weight", np.pad(np.concatenate(weights), ((0, more), (0, 0), (0, 0), (0, 0))))
    bias = graph.variable(f"{name}_bias", np.pad(np.concatenate(biases), (0, more)))
    whole = Node("Convolution", name, attrs, [nodes[0].inputs[0], weight, bias])
    for node, end, own in zip(nodes, ends.tolist(), weights, strict=True):
        part = {"axis": "1", "begin": str(end - len(own)), "end": str(end)}
        graph.replace(node, Node("slice_axis", f"{node.name}_part", part, [(whole, 0)]))
    return len(nodes)
