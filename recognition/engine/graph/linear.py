"""Moves a scale or shift per channel along a graph, exactly: into weights, through sums, past operators that commute with it.

The functions plan_… change nothing yet. They return False if some node on the way cannot take part, and else append their
changes to `plan`: functions to call once the whole way is known to be possible.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeGuard

import numpy as np

from recognition.engine.graph.ir import Graph, Node

Plan = list[Callable[[], None]]
ADD = ("elemwise_add", "broadcast_add", "_Plus", "_plus")
SAME_VALUES = ("Dropout", "identity", "_copy")


def is_depthwise(node: Node) -> bool:
    return node.op == "Convolution" and int(node.value("num_group", 1)) == int(node.value("num_filter")) > 1


def is_dense_convolution(node: Node) -> bool:
    return node.op == "Convolution" and int(node.value("num_group", 1)) == 1


def is_padded(node: Node) -> bool:
    return node.op == "Convolution" and any(node.value("pad", (0, 0)))


def is_linear(node: Node | None) -> TypeGuard[Node]:
    """Whether the node is a convolution (dense or depthwise) or a fully connected layer."""
    return node is not None and (is_depthwise(node) or is_dense_convolution(node) or node.op == "FullyConnected")


def scale_output(graph: Graph, node: Node, factor: np.ndarray) -> None:
    """Multiplies the output of a linear node by `factor` (channels,)."""
    weight = graph.param(node, 1)
    graph.set_param(node, 1, weight * factor.reshape(-1, *[1] * (weight.ndim - 1)), "weight")
    if len(node.inputs) > 2:
        graph.set_param(node, 2, graph.param(node, 2) * factor, "bias")


def shift_output(graph: Graph, node: Node, shift: np.ndarray) -> None:
    """Adds `shift` (channels,) to the output of a linear node."""
    bias = graph.param(node, 2) if len(node.inputs) > 2 else 0.0
    node.attrs["no_bias"] = "False"
    graph.set_param(node, 2, bias + shift, "bias")


def scale_input(graph: Graph, node: Node, factor: np.ndarray) -> None:
    """Makes a linear node compute from its input x what it computed from x times `factor` (channels,)."""
    weight = graph.param(node, 1)
    if is_depthwise(node):
        scaled = weight * factor[:, None, None, None]
    elif node.op == "FullyConnected":  # channels, rows, columns lie flat in its weights
        scaled = weight * np.repeat(factor, weight.shape[1] // len(factor))
    else:
        scaled = weight * factor[None, :, None, None]
    graph.set_param(node, 1, scaled, "weight")


def shift_of_input(graph: Graph, node: Node, shift: np.ndarray) -> np.ndarray:
    """Returns by how much the output of a linear, unpadded node changes if its input grows by `shift` (channels,)."""
    weight = graph.param(node, 1).astype("float64")
    if is_depthwise(node):
        return weight.sum((1, 2, 3)) * shift
    if node.op == "FullyConnected":
        return weight @ np.repeat(shift, weight.shape[1] // len(shift))
    return weight.sum((2, 3)) @ shift


def plan_scaled_consumers(graph: Graph, node: Node, factor: np.ndarray, plan: Plan) -> bool:
    """Plans for all consumers of `node` to compute as if its output were multiplied by `factor` (not 0); it stays as it is."""
    for user in graph.consumers()[node]:
        if is_linear(user) and user.source() is node:
            plan.append(partial(scale_input, graph, user, factor))
        elif user is not None and user.op == "BatchNorm":
            plan.append(partial(_scale_batchnorm_input, graph, user, factor))
        elif user is not None and (user.op in SAME_VALUES or ((factor > 0).all() and _commutes_with_scale(user))):
            if not plan_scaled_consumers(graph, user, factor, plan):
                return False
        else:
            return False
    return True


def _commutes_with_scale(node: Node) -> bool:
    return node.op == "Pooling" or (node.op == "Activation" and node.value("act_type") == "relu")


def plan_shifted_output(graph: Graph, node: Node, shift: np.ndarray, plan: Plan) -> bool:
    """Plans for `node` to return its output plus `shift`; for a sum, one of its two sides does."""
    users = graph.consumers()
    if is_linear(node):
        plan.append(partial(shift_output, graph, node, shift))
        return True
    if node.op in ADD:
        for source, _ in node.inputs:
            if is_linear(source) and users[source] == [node]:
                return plan_shifted_output(graph, source, shift, plan)
    return False


def plan_unshifted_consumers(graph: Graph, node: Node, shift: np.ndarray, reader: Node, plan: Plan) -> bool:
    """Plans for all consumers of `node` except `reader` to return what they did, although its output now includes `shift`."""
    for user in graph.consumers()[node]:
        if user is reader:
            continue
        if is_linear(user) and not is_padded(user) and user.source() is node:
            plan.append(partial(shift_output, graph, user, -shift_of_input(graph, user, shift)))
        elif user is not None and user.op == "BatchNorm":
            plan.append(partial(_unshift_batchnorm, graph, user, shift))
        elif user is not None and user.op in ADD:
            other = next((source for source, _ in user.inputs if source is not node), None)
            if (
                other is None
                or not _has_only_reader(graph, other, user)
                or not plan_shifted_output(graph, other, -shift, plan)
            ):
                return False
        else:
            return False
    return True


def _has_only_reader(graph: Graph, node: Node, user: Node) -> bool:
    return is_linear(node) and graph.consumers()[node] == [user]


def batchnorm_as_affine(graph: Graph, node: Node) -> tuple[np.ndarray, np.ndarray]:
    """Returns what a BatchNorm computes at inference, as (scale, shift), float64 (channels,)."""
    gamma, beta, mean, variance = (graph.param(node, number).astype("float64") for number in (1, 2, 3, 4))
    if node.value("fix_gamma", True):
        gamma = np.ones_like(gamma)
    scale = gamma / np.sqrt(variance + float(node.value("eps", 1e-3)))
    return scale, beta - mean * scale


def _unshift_batchnorm(graph: Graph, node: Node, shift: np.ndarray) -> None:
    graph.set_param(node, 3, graph.param(node, 3) + shift, "moving_mean")


def _scale_batchnorm_input(graph: Graph, node: Node, factor: np.ndarray) -> None:
    """BN(f x) = gamma (f x - mean) / d + beta = gamma f (x - mean / f) / d + beta."""
    gamma = np.ones_like(factor) if node.value("fix_gamma", True) else graph.param(node, 1)
    node.attrs["fix_gamma"] = "False"
    graph.set_param(node, 1, gamma * factor, "gamma")
    graph.set_param(node, 3, graph.param(node, 3) / factor, "moving_mean")
