"""Rewrites a net to run in bfloat16: its params are cast once, its input on entry; operators unsuited to it stay float32."""

from recognition.engine.graph.ir import VARIABLE, Graph, Node
from recognition.engine.graph.linear import ADD, SAME_VALUES

TYPE, BFLOAT16_CODE = "__dtype__", "12"  # how MXNet's JSON marks a bfloat16 variable
BFLOAT16, FLOAT32 = "bfloat16", "float32"
Output = tuple[Node, int]
# oneDNN runs these in bfloat16. The others, such as softmax, sigmoid and transpose in heads, stay float32: transpose is known
# to write beyond its memory in bfloat16.
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
    """Changes `graph` and reports what was done. The params are only marked: Net casts those that bfloat16_params names."""
    types: dict[Output, str] = {}
    casts: dict[tuple[Output, str], Node] = {}
    suited = 0
    for node in graph.nodes():
        if node.op == VARIABLE:
            continue
        target = BFLOAT16 if _is_suited(node) else FLOAT32
        if target == BFLOAT16:
            suited += 1
            _mark_params(graph, node)
        node.inputs = [
            entry if graph.is_param(entry[0]) else _cast(entry, types.get(entry, FLOAT32), target, casts)
            for entry in node.inputs
        ]
        types |= {(node, output): target for output in range(8)}
    if not suited:
        return "nothing that bfloat16 suits"
    graph.outputs = [_cast(entry, types.get(entry, FLOAT32), FLOAT32, casts) for entry in graph.outputs]
    return f"{suited} operators in bfloat16"


def bfloat16_params(graph: Graph) -> set[str]:
    """Names the params that cast_bfloat16 has marked."""
    return {node.name for node in graph.nodes() if node.attrs.get(TYPE) == BFLOAT16_CODE}


def _mark_params(graph: Graph, node: Node) -> None:
    for source, _ in node.inputs:
        if graph.is_param(source):
            source.attrs[TYPE] = BFLOAT16_CODE


def _is_suited(node: Node) -> bool:
    return node.op in SUITED and not (node.op == "LeakyReLU" and node.value("act_type") != "leaky")


def _cast(entry: Output, current: str, target: str, casts: dict[tuple[Output, str], Node]) -> Output:
    if current == target:
        return entry
    if (entry, target) not in casts:
        source, output = entry
        name = f"{source.name}_{output}_{target}"
        casts[entry, target] = Node("amp_cast", name, {"dtype": target}, [entry])
    return casts[entry, target], 0
