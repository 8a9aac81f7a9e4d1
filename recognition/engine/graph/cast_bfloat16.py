"""Runs a net in bfloat16: params are cast once, the input at the door, and what bfloat16 does not suit stays float32."""

from recognition.engine.graph.ir import VARIABLE, Graph, Node
from recognition.engine.graph.linear import ADD, SAME_VALUES

TYPE, BFLOAT16 = "__dtype__", "12"  # how MXNet's JSON says a variable's type
HALF, SINGLE = "bfloat16", "float32"
# oneDNN runs these in bfloat16. The rest – softmax, sigmoid, transpose and whatever else heads are made of – stays float32:
# transpose is known to write beyond its memory in bfloat16.
SUITED = (
    "Convolution",
    "FullyConnected",
    "Activation",
    "Pooling",
    "LeakyReLU",
    "Concat",
    "Flatten",
    "clip",
    *ADD,
    *SAME_VALUES,
)


def cast_bfloat16(graph: Graph) -> str:
    """Changes `graph`; says what was done. Its params stay float32 here: see half_params."""
    kinds: dict[tuple[Node, int], str] = {}
    casts: dict[tuple[tuple[Node, int], str], Node] = {}
    suited = 0
    for node in graph.nodes():
        if node.op == VARIABLE:
            continue
        wanted = HALF if _is_suited(node) else SINGLE
        if wanted == HALF:
            suited += 1
            _mark_params(graph, node)
        node.inputs = [
            entry if graph.is_param(entry[0]) else (_cast(entry, kinds.get(entry, SINGLE), wanted, casts))
            for entry in node.inputs
        ]
        kinds |= {(node, output): wanted for output in range(8)}
    if not suited:
        return "nothing that bfloat16 suits"
    graph.outputs = [_cast(entry, kinds.get(entry, SINGLE), SINGLE, casts) for entry in graph.outputs]
    return f"{suited} operators in bfloat16"


def half_params(graph: Graph) -> set[str]:
    """The params that a graph takes in bfloat16; none before cast_bfloat16."""
    return {node.name for node in graph.nodes() if node.attrs.get(TYPE) == BFLOAT16}


def _mark_params(graph: Graph, node: Node) -> None:
    for source, _ in node.inputs:
        if graph.is_param(source):
            source.attrs[TYPE] = BFLOAT16


def _is_suited(node: Node) -> bool:
    return node.op in SUITED and not (node.op == "LeakyReLU" and node.value("act_type") != "leaky")


def _cast(entry: tuple[Node, int], kind: str, wanted: str, casts: dict) -> tuple[Node, int]:
    if kind == wanted:
        return entry
    if (entry, wanted) not in casts:
        source, output = entry
        name = f"{source.name}_{output}_{wanted}"
        casts[entry, wanted] = Node("amp_cast", name, {"dtype": wanted}, [entry])
    return casts[entry, wanted], 0
