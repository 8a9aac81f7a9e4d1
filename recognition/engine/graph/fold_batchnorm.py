"""Folds every BatchNorm into the convolutions around it, exactly, even one before a zero-padded convolution.

There, y = a z + b cannot simply move into the convolution, because its padding is zero in y, not in z. So its input is made
to carry z + b / a: then y = a (z + b / a), and zero padding is right. The node that makes z adds b / a to its bias, and
every other reader of z subtracts it again.
"""

import numpy as np

from recognition.engine.graph.ir import Graph, Node
from recognition.engine.graph.linear import (
    SAME_VALUES,
    Plan,
    batchnorm_as_affine,
    is_linear,
    is_padded,
    plan_shifted_output,
    plan_unshifted_consumers,
    scale_input,
    scale_output,
    shift_of_input,
    shift_output,
)

# If a is nearly zero, b / a is huge, and adding it would cost the values their precision.
LARGEST_SHIFT = 256.0


def fold_batchnorm(graph: Graph) -> str:
    """Changes `graph` and reports what was done."""
    found = [node for node in graph.nodes() if node.op == "BatchNorm"]
    if not found:
        return "no BatchNorm"
    kept = [node.name for node in found if not (_into_producer(graph, node) or _into_consumers(graph, node))]
    kept = [name for name in kept if not _retry(graph, name)]
    graph.drop_unused_params()
    if not kept:
        return f"all {len(found)} folded"
    return f"{len(found) - len(kept)} of {len(found)} folded; left alone: {', '.join(kept)}"


def fold_dense_batchnorm(graph: Graph) -> None:
    """Folds only those right after a fully connected layer, where MXNet 1.9.1 can crash."""
    for node in graph.nodes():
        if node.op == "BatchNorm" and node.source().op == "FullyConnected":
            _into_producer(graph, node)
    graph.drop_unused_params()


def _retry(graph: Graph, name: str) -> bool:
    """Tries again: folding the neighbours may have made it possible."""
    node = next(node for node in graph.nodes() if node.name == name)
    return _into_producer(graph, node) or _into_consumers(graph, node)


def _into_producer(graph: Graph, node: Node) -> bool:
    producer = node.source()
    if not is_linear(producer) or graph.consumers()[producer] != [node]:
        return False
    scale, shift = batchnorm_as_affine(graph, node)
    scale_output(graph, producer, scale)
    shift_output(graph, producer, shift)
    graph.replace(node, producer)
    return True


def _into_consumers(graph: Graph, node: Node) -> bool:
    readers = _readers(graph, node)
    if readers is None:
        return False
    scale, shift = batchnorm_as_affine(graph, node)
    if any(is_padded(reader) for reader in readers):
        if not _move_shift_before(graph, node, scale, shift):
            return False
    else:
        for reader in readers:
            shift_output(graph, reader, shift_of_input(graph, reader, shift))
    for reader in readers:
        scale_input(graph, reader, scale)
    graph.replace(node, node.source())
    return True


def _readers(graph: Graph, node: Node) -> list[Node] | None:
    """Lists the linear nodes that read `node`, directly or through identities; None if other nodes read it too."""
    found: list[Node] = []
    for user in graph.consumers()[node]:
        if is_linear(user):
            found.append(user)
        elif user is not None and user.op in SAME_VALUES and (more := _readers(graph, user)) is not None:
            found += more
        else:
            return None
    return found


def _move_shift_before(graph: Graph, node: Node, scale: np.ndarray, shift: np.ndarray) -> bool:
    carried = np.divide(shift, scale, out=np.zeros_like(shift), where=scale != 0)
    if np.abs(carried).max() > LARGEST_SHIFT or (shift[scale == 0] != 0).any():
        return False
    plan: Plan = []
    source = node.source()
    if not plan_shifted_output(graph, source, carried, plan):
        return False
    if not plan_unshifted_consumers(graph, source, carried, node, plan):
        return False
    for change in plan:
        change()
    return True
