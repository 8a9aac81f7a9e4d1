"""Pads the channels between convolutions to full vector registers. The result is exact: the new channels are all zeros.

oneDNN has fast kernels for multiples of 16 channels (float32) or 32 (bfloat16), and slow ones for other numbers.
"""

import numpy as np

from recognition.engine.graph.ir import Graph, Node
from recognition.engine.graph.linear import ADD, SAME_VALUES, is_dense_convolution, is_depthwise

CHANNELWISE = ("Activation", "Pooling", "UpSampling", *ADD, *SAME_VALUES)
MAX_GROWTH = 2.0  # padding 10 channels to 32, say, would cost more than it gains


def pad_channels(graph: Graph, multiple: int) -> str:
    """Changes `graph` and reports what was done."""
    groups = _ChannelGroups(graph)
    padded = 0
    for members in groups.widenable():
        makers = [node for node in members if is_dense_convolution(node)]
        channels = int(makers[0].value("num_filter"))
        padding = _rounded_up(channels, multiple) - channels
        if not padding:
            continue
        for node in members:
            _widen_output(graph, node, padding)
        for node in groups.readers(members):
            _widen_input(graph, node, channels, padding)
        padded += len(makers)
    graph.drop_unused_params()
    if not padded:
        return f"no channels to pad to {multiple}"
    return f"{padded} convolutions padded to a multiple of {multiple} channels"


def _rounded_up(channels: int, multiple: int) -> int:
    """Rounds up to a multiple, or of half of it if that would be mostly padding; else returns `channels`."""
    for step in (multiple, multiple // 2):
        rounded = -(-channels // step) * step
        if rounded <= channels * MAX_GROWTH:
            return rounded
    return channels


class _ChannelGroups:
    """Groups nodes that must keep the same channels: a sum ties its sides together, a convolution starts a new group."""

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
            else:  # its output cannot be widened, and its input only if it is a fully connected layer
                self.fixed.add(node)
                if node.op != "FullyConnected":
                    self.fixed |= set(sources)

    def find(self, node: Node) -> Node:
        while self.parent[node] is not node:
            node = self.parent[node]
        return node

    def widenable(self) -> list[list[Node]]:
        """Lists the groups whose channels can be padded."""
        fixed = {self.find(node) for node in self.fixed}
        members: dict[Node, list[Node]] = {}
        for node in self.nodes:
            if self.find(node) not in fixed:
                members.setdefault(self.find(node), []).append(node)
        return list(members.values())

    def readers(self, members: list[Node]) -> list[Node]:
        """Lists the convolutions and fully connected layers that read the group."""
        return [
            node for node in self.nodes if node.inputs and not _is_channelwise(node) and node.source() in set(members)
        ]


def _is_channelwise(node: Node) -> bool:
    leaky = node.op == "LeakyReLU" and node.value("act_type") == "leaky"
    return leaky or node.op in CHANNELWISE or is_depthwise(node)


def _widen_output(graph: Graph, node: Node, padding: int) -> None:
    if node.op != "Convolution":
        return
    weight = graph.param(node, 1)
    graph.set_param(node, 1, np.pad(weight, ((0, padding), (0, 0), (0, 0), (0, 0))), "weight")
    if len(node.inputs) > 2:
        graph.set_param(node, 2, np.pad(graph.param(node, 2), (0, padding)), "bias")
    if is_depthwise(node):
        node.attrs["num_group"] = str(len(weight) + padding)
    node.attrs["num_filter"] = str(len(weight) + padding)


def _widen_input(graph: Graph, node: Node, channels: int, padding: int) -> None:
    weight = graph.param(node, 1)
    if node.op == "FullyConnected":
        by_channel = weight.reshape(len(weight), channels, -1)
        wide = np.pad(by_channel, ((0, 0), (0, padding), (0, 0))).reshape(len(weight), -1)
    else:
        wide = np.pad(weight, ((0, 0), (0, padding), (0, 0), (0, 0)))
    graph.set_param(node, 1, wide, "weight")
