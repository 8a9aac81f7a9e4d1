"""Rewrites a net by all passes in their order, and reports what each did."""

from dataclasses import dataclass
from typing import Literal

from recognition.engine.graph.cast_bfloat16 import cast_bfloat16
from recognition.engine.graph.fold_batchnorm import fold_batchnorm
from recognition.engine.graph.ir import Graph, Node
from recognition.engine.graph.join_heads import join_heads
from recognition.engine.graph.linear import SAME_VALUES
from recognition.engine.graph.pad_channels import pad_channels
from recognition.engine.graph.pool_first import pool_first
from recognition.engine.graph.replace_prelu import replace_prelu

Precision = Literal["fp32", "bf16"]
LANES, TILE = 16, 32  # float32 values per vector register, bfloat16 values per row of an AMX tile


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A rewritten graph. report: pass → what it did."""

    graph: Graph
    report: dict[str, str]


def rewrite(graph: Graph, precision: Precision, *, amx: bool = False) -> Rewritten:
    """Returns a faster graph that computes the same; `graph` stays as it is. amx: whether the processor uses AMX."""
    fast = graph.copy()
    _drop_identities(fast)
    width = TILE if amx and precision == "bf16" else LANES
    report = {
        "pooling": pool_first(fast, width),
        "PReLU": replace_prelu(fast),
        "BatchNorm": fold_batchnorm(fast),
        "channels": pad_channels(fast, width),
        "heads": join_heads(fast, width),
    }
    _flatten_before_dense(fast)
    if precision == "bf16":
        report["bfloat16"] = cast_bfloat16(fast)
    return Rewritten(fast, report)


def _drop_identities(graph: Graph) -> None:
    """Drops operators that change nothing at inference, such as Dropout, which MXNet cannot run in bfloat16."""
    for node in graph.nodes():
        if node.op in SAME_VALUES:
            graph.replace(node, node.source())


def _flatten_before_dense(graph: Graph) -> None:
    """Avoids a fault of MXNet 1.9.1: a fused fully connected layer fails if it reads a convolution's own memory layout."""
    for node in graph.nodes():
        if node.op == "FullyConnected":
            node.inputs[0] = Node("Flatten", f"{node.name}_flat", {}, node.inputs[:1]), 0
