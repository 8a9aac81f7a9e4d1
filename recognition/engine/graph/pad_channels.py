"""Pads the channels between convolutions to full vector registers: exact, as the new ones are nought throughout.

oneDNN has fast kernels for 16 channels (float32) or 32 (bfloat16) at a time, and slow ones for the rest.
"""

import numpy as np

from recognition.engine.graph.ir import Graph, Node
from recognition.engine.graph.linear import ADD, SAME_VALUES, is_dense_convolution, is_depthwise

CHANNELWISE = ("Activation", "Pooling", "UpSampling", *ADD, *SAME_VALUES)
MOST_WASTE = 2.0  # padding 10 channels to 32 would cost more than it brings


def pad_channels(graph: Graph, multiple: int) -> str:
    """Changes `graph`; says what was done."""
    groups = _Groups(graph)
    padded = 0
    for members in groups.free():
        makers = [node for node in members if is_dense_convolution(node)]
        channels = int(makers[0].value("num_filter"))
        wanted = _rounded_up(channels, multiple)
        if wanted == channels:
            continue
        for node in members:
            _widen_output(graph, node, wanted - channels)
        for node in groups.readers(members):
            _widen_input(graph, node, channels, wanted - channels)
        padded += len(makers)
    graph.drop_unused_params()
    if not padded:
        return f"no channels to pad to {multiple}"
    return f"{padded} convolutions padded to a multiple of {multiple} channels"


def _rounded_up(channels: int, multiple: int) -> int:
    """To a multiple, or half of it where that would be mostly nought; else as it is."""
    for step in (multiple, multiple // 2):
        wanted = -(-channels // step) * step
        if wanted <= channels * MOST_WASTE:
            return wanted
    return channels


class _Groups:
    """Nodes whose outputs have the same channels, one by one: a sum ties its sides together, a convolution cuts."""

    def __init__(self, graph: Graph):
        self.nodes = [node for node in graph.nodes() if not graph.is_param(node)]
        self.parent = {node: node for node in self.nodes}
        self.fixed: set[Node] = {node for node, _ in graph.outputs}
        for node in self.nodes:
            sources = [source for source, _ in node.inputs if not graph.is_param(source)]
            if _is_channelwise(node):
                for source in sources:
                    self.parent[self.find(source)] = self.find(node)
            elif is_dense_convolution(node):
                continue
            else:  # what it makes we cannot widen, and what it reads only where it is fully connected
                self.fixed.add(node)
                if node.op != "FullyConnected":
                    self.fixed |= set(sources)

    def find(self, node: Node) -> Node:
        while self.parent[node] is not node:
            node = self.parent[node]
        return node

    def free(self) -> list[list[Node]]:
        """The groups that can be widened."""
        fixed = {self.find(node) for node in self.fixed}
        members: dict[Node, list[Node]] = {}
        for node in self.nodes:
            if self.find(node) not in fixed:
                members.setdefault(self.find(node), []).append(node)
        return list(members.values())

    def readers(self, members: list[Node]) -> list[Node]:
        """The convolutions and fully connected layers that read the group."""
        return [
            node for node in self.nodes if node.inputs and not _is_channelwise(node) and node.source() in set(members)
        ]


def _is_channelwise(node: Node) -> bool:
    leaky = node.op == "LeakyReLU" and node.value("act_type") == "leaky"
    return leaky or node.op in CHANNELWISE or is_depthwise(node)


def _widen_output(graph: Graph, node: Node, more: int) -> None:
    if node.op != "Convolution":
        return
    weight = graph.param(node, 1)
    graph.set_param(node, 1, np.pad(weight, ((0, more), (0, 0), (0, 0), (0, 0))), "weight")
    if len(node.inputs) > 2:
        graph.set_param(node, 2, np.pad(graph.param(node, 2), (0, more)), "bias")
    if is_depthwise(node):
        node.attrs["num_group"] = str(len(weight) + more)
    node.attrs["num_filter"] = str(len(weight) + more)


def _widen_input(graph: Graph, node: Node, channels: int, more: int) -> None:
    weight = graph.param(node, 1)
    if node.op == "FullyConnected":
        by_channel = weight.reshape(len(weight), channels, -1)
        wide = np.pad(by_channel, ((0, 0), (0, more), (0, 0))).reshape(len(weight), -1)
    else:
        wide = np.pad(weight, ((0, 0), (0, more), (0, 0), (0, 0)))
    graph.set_param(node, 1, wide, "weight")
