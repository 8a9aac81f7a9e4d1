"""The order in which a net is rewritten, and the report that says what each pass did."""

from dataclasses import dataclass
from typing import Literal

from recognition.engine.graph.cast_bfloat16 import cast_bfloat16
from recognition.engine.graph.fold_batchnorm import fold_batchnorm
from recognition.engine.graph.ir import Graph, Node
from recognition.engine.graph.join_heads import join_heads
from recognition.engine.graph.linear import SAME_VALUES
from recognition.engine.graph.pad_channels import pad_channels
from recognition.engine.graph.replace_prelu import replace_prelu

Precision = Literal["fp32", "bf16"]
LANES, TILE = 16, 32  # float32 values in a vector register, bfloat16 values in a row of an AMX tile


@dataclass(frozen=True, slots=True)
class Rewritten:
    """report: pass → what it did."""

    graph: Graph
    report: dict[str, str]


def rewrite(graph: Graph, precision: Precision, *, amx: bool = False) -> Rewritten:
    """A faster graph that computes the same; `graph` stays as it is."""
    fast = graph.copy()
    _drop_identities(fast)
    width = TILE if amx and precision == "bf16" else LANES
    report = {
        "PReLU": replace_prelu(fast),
        "BatchNorm": fold_batchnorm(fast),
        "heads": join_heads(fast, width),
        "channels": pad_channels(fast, width),
    }
    _flatten_before_dense(fast)
    if precision == "bf16":
        report["bfloat16"] = cast_bfloat16(fast)
    return Rewritten(fast, report)


def _drop_identities(graph: Graph) -> None:
    """What changes nothing at inference, Dropout among it, which MXNet cannot run in bfloat16."""
    for node in graph.nodes():
        if node.op in SAME_VALUES:
            graph.replace(node, node.source())


def _flatten_before_dense(graph: Graph) -> None:
    """MXNet 1.9.1 fails where a fused fully connected layer reads a convolution's own memory layout."""
    for node in graph.nodes():
        if node.op == "FullyConnected":
            node.inputs[0] = Node("Flatten", f"{node.name}_flat", {}, node.inputs[:1]), 0
