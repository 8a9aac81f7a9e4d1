"""Face nets as InsightFace's model zoo publishes them: NAME-symbol.json and NAME-0000.params."""

import json
import math
from pathlib import Path

import numpy as np

from recognition.engine.graph.ir import Graph, Node
from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import import_mxnet
from recognition.packs.params_file import read_params

SUPPORTED = {
    "null", "Activation", "BatchNorm", "Concat", "Convolution", "Dropout", "Flatten", "FullyConnected", "LeakyReLU",
    "Pooling", "SoftmaxActivation", "SoftmaxOutput", "UpSampling", "_Plus", "_copy", "_div_scalar", "_minus_scalar",
    "_mul_scalar", "_plus", "_plus_scalar", "broadcast_add", "broadcast_mul", "clip", "elemwise_add", "identity",
    "slice_axis", "softmax",
}  # fmt: skip
EMBEDDING = "fc1_output"
MTCNN = {"pnet": ("det1", 12), "rnet": ("det2", 24), "onet": ("det3", 48)}
HEADS = {4: "box", 10: "landmarks"}
MOST_ELEMENTS = 1 << 26


def embedder_graph(path: Path, size: int = 112) -> tuple[Graph, int]:
    """The net in the folder `path`, or of the prefix `path`, up to its embedding. Raises PackError."""
    symbol, params = _read(*files_of(path))
    if EMBEDDING in symbol.get_internals().list_outputs():
        symbol = symbol.get_internals()[EMBEDDING]
    return _checked(symbol, params, size, path), size


def mtcnn_graphs(folder: Path) -> dict[str, Graph]:
    """pnet, rnet and onet from InsightFace's det1–det3, for RGB. Raises PackError."""
    return {name: _mtcnn_graph(folder / prefix, size) for name, (prefix, size) in MTCNN.items()}


def _mtcnn_graph(path: Path, size: int) -> Graph:
    symbol, params = _read(*files_of(path))
    graph = _checked(symbol, params, size, path, exempt={"prob1_label", "softmax_label"})
    first = next(node for node in graph.nodes() if node.op == "Convolution")
    graph.set_param(first, 1, graph.param(first, 1)[:, ::-1], "weight")  # published for BGR
    heads = {_head_of(graph, node): node for node, _ in graph.outputs}
    if not {"box", "class"} <= set(heads):
        raise PackError(f"{path.name} is no net of MTCNN: it should end in boxes and a softmax over two classes.")
    softmax = Node("softmax", "probability", {"axis": "1"}, heads["class"].inputs[:1])
    heads["class"] = Node("slice_axis", "face", {"axis": "1", "begin": "1", "end": "2"}, [(softmax, 0)])
    graph.outputs = [(heads[name], 0) for name in ("box", "landmarks", "class") if name in heads]
    graph.drop_unused_params()
    return graph


def _head_of(graph: Graph, node: Node) -> str | None:
    if node.op in ("SoftmaxActivation", "SoftmaxOutput", "softmax"):
        return "class"
    return HEADS.get(int(node.value("num_filter") or node.value("num_hidden") or 0))


def files_of(path: Path) -> tuple[Path, Path]:
    """The symbol and the params – those of the highest epoch, as MXNet numbers them – in a folder or of a prefix."""
    folder, prefix = (path, "*") if path.is_dir() else (path.parent, path.name.removesuffix("-symbol.json"))
    symbols = sorted(folder.glob(f"{prefix}-symbol.json"))
    if len(symbols) != 1:
        found = f"{len(symbols)} of them" if symbols else "none"
        raise PackError(f"One file {prefix}-symbol.json is wanted in {folder}; there is {found}.")
    params = sorted(folder.glob(f"{symbols[0].name.removesuffix('-symbol.json')}-[0-9][0-9][0-9][0-9].params"))
    if not params:
        raise PackError(f"There is no params file, …-0000.params, beside {symbols[0]}.")
    return symbols[0], params[-1]


def _read(symbol_path: Path, params_path: Path):
    text = symbol_path.read_text(errors="replace")
    try:
        operators = {node["op"] for node in json.loads(text)["nodes"]}
    except (ValueError, KeyError, TypeError) as error:
        raise PackError(f"{symbol_path.name} is no MXNet symbol: {error}.") from error
    if unknown := sorted(operators - SUPPORTED):
        raise PackError(f"{symbol_path.name} needs operators that are not supported: {', '.join(unknown)}.")
    params = read_params(params_path)
    mx = import_mxnet()
    try:
        return mx.sym.load_json(text), params
    except mx.MXNetError as error:
        raise PackError(f"{symbol_path.name} is no MXNet symbol: {str(error).splitlines()[-1][:200]}") from error


def _checked(symbol, params: dict[str, np.ndarray], size: int, path: Path, exempt=frozenset()) -> Graph:
    """The graph, once every param is there and of the shape that the symbol gives it. Raises PackError."""
    mx = import_mxnet()
    internals = symbol.get_internals()
    try:
        arguments, outputs, auxiliary = internals.infer_shape(data=(1, 3, size, size))
    except mx.MXNetError as error:
        reason = str(error).strip().splitlines()[-1][:300]
        raise PackError(f"{path.name} does not take images of {size}x{size} px: {reason}") from error
    if any(math.prod(shape) > MOST_ELEMENTS for shape in outputs):
        raise PackError(f"{path.name} would make arrays of more than {MOST_ELEMENTS:,} numbers; no face model does.")
    wanted = dict(zip(internals.list_arguments(), arguments, strict=True))
    wanted |= dict(zip(internals.list_auxiliary_states(), auxiliary, strict=True))
    taken = {}
    for name in set(wanted) - {"data", *exempt}:
        if name not in params:
            raise PackError(f"The params of {path.name} lack {name}.")
        if params[name].shape != wanted[name]:
            raise PackError(
                f"The params of {path.name} do not fit its symbol: {name} has the shape {params[name].shape}, "
                f"and {wanted[name]} is wanted."
            )
        taken[name] = params[name]
    return Graph.from_symbol(symbol, taken)
