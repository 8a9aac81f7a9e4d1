"""Takes the scaling (x - mean) * scale, which InsightFace's nets begin with, out of the net.

It costs nothing as part of preparing the pixels. It cannot move into the first convolution, because of its zero padding.
"""

from dataclasses import dataclass

from recognition.engine.graph.ir import VARIABLE, Graph, Node
from recognition.engine.graph.linear import SAME_VALUES

SCALARS = {"_minus_scalar", "_plus_scalar", "_mul_scalar", "_div_scalar"}


@dataclass(frozen=True, slots=True)
class Scaling:
    """Pixels x, 0–255, enter the net as x * factor + offset."""

    factor: float = 1.0
    offset: float = 0.0


def strip_scaling(graph: Graph) -> Scaling:
    """Changes `graph` and returns the scaling that its input now needs before it enters."""
    factor, offset = 1.0, 0.0
    data = next(node for node in graph.nodes() if node.op == VARIABLE and node.name == "data")
    while (node := _only_reader(graph, data)) and (node.op in SCALARS or node.op in SAME_VALUES):
        scalar = float(node.value("scalar", 0.0))
        match node.op:
            case "_minus_scalar":
                offset -= scalar
            case "_plus_scalar":
                offset += scalar
            case "_mul_scalar":
                factor, offset = factor * scalar, offset * scalar
            case "_div_scalar":
                factor, offset = factor / scalar, offset / scalar
        graph.replace(node, data)
    return Scaling(factor, offset)


def _only_reader(graph: Graph, node: Node) -> Node | None:
    users = graph.consumers()[node]
    return users[0] if len(users) == 1 else None
