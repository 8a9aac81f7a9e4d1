"""Imports face nets in MXNet's format, as InsightFace's model zoo publishes them: NAME-symbol.json and NAME-0000.params."""

import json
import math
from collections.abc import Set
from pathlib import Path

import numpy as np

from recognition.engine.graph.ir import Graph, Node, Symbol
from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import import_mxnet
from recognition.packs.malformed import only_pack_errors
from recognition.packs.params_file import read_params

SUPPORTED = {
    "null", "Activation", "BatchNorm", "Concat", "Convolution", "Dropout", "Flatten", "FullyConnected", "LeakyReLU",
    "Pooling", "SoftmaxActivation", "SoftmaxOutput", "UpSampling", "_Plus", "_copy", "_div_scalar", "_minus_scalar",
    "_mul_scalar", "_plus", "_plus_scalar", "broadcast_add", "broadcast_mul", "clip", "elemwise_add", "identity",
    "slice_axis", "softmax",
}  # fmt: skip
EMBEDDING = "fc1_output"
MTCNN = {"pnet": ("det1", 12), "rnet": ("det2", 24), "onet": ("det3", 48)}
HEADS = {4: "box", 10: "landmarks"}  # by their numbers of outputs
MAX_ELEMENTS = 1 << 26  # of any array on the way, for one image


@only_pack_errors
def embedder_graph(path: Path, size: int = 112) -> tuple[Graph, int]:
    """Reads the net in the folder or of the prefix `path`, up to its embedding. Raises PackError.

    size: of its chips, px. Returns the graph and `size`.
    """
    symbol, params = _read(*files_of(path))
    if EMBEDDING in symbol.get_internals().list_outputs():
        symbol = symbol.get_internals()[EMBEDDING]
    return _checked(symbol, params, size, path), size


@only_pack_errors
def mtcnn_graphs(folder: Path) -> dict[str, Graph]:
    """Reads InsightFace's det1–det3 as pnet, rnet and onet, changed from BGR to RGB. Raises PackError."""
    return {name: _mtcnn_graph(folder / prefix, size) for name, (prefix, size) in MTCNN.items()}


def _mtcnn_graph(path: Path, size: int) -> Graph:
    symbol, params = _read(*files_of(path))
    graph = _checked(symbol, params, size, path, exempt={"prob1_label", "softmax_label"})
    first = next(node for node in graph.nodes() if node.op == "Convolution")
    graph.set_param(first, 1, graph.param(first, 1)[:, ::-1], "weight")  # published for BGR
    heads = {_head_of(graph, node): node for node, _ in graph.outputs}
    if not {"box", "class"} <= set(heads):
        raise PackError(f"{path.name} is not a net of MTCNN: it should end in boxes and a softmax over two classes.")
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
    """Finds the symbol file, and the params file of the highest epoch, in a folder or of a prefix. Raises PackError."""
    folder, prefix = (path, "*") if path.is_dir() else (path.parent, path.name.removesuffix("-symbol.json"))
    symbols = sorted(folder.glob(f"{prefix}-symbol.json"))
    if len(symbols) != 1:
        raise PackError(f"{folder} should hold one file {prefix}-symbol.json, but holds {len(symbols)}.")
    params = sorted(folder.glob(f"{symbols[0].name.removesuffix('-symbol.json')}-[0-9][0-9][0-9][0-9].params"))
    if not params:
        raise PackError(f"There is no file …-0000.params beside {symbols[0]}.")
    return symbols[0], params[-1]


def _read(symbol_path: Path, params_path: Path) -> tuple[Symbol, dict[str, np.ndarray]]:
    text = symbol_path.read_text(errors="replace")
    try:
        operators = {node["op"] for node in json.loads(text)["nodes"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PackError(f"{symbol_path.name} is not an MXNet symbol: {error}.") from error
    if unknown := sorted(operators - SUPPORTED):
        raise PackError(f"{symbol_path.name} uses operators that are not supported: {', '.join(unknown)}.")
    params = read_params(params_path)
    mx = import_mxnet()
    try:
        return mx.sym.load_json(text), params
    except mx.MXNetError as error:
        raise PackError(f"{symbol_path.name} is not an MXNet symbol: {str(error).splitlines()[-1][:200]}") from error


def _checked(
    symbol: Symbol, params: dict[str, np.ndarray], size: int, path: Path, exempt: Set[str] = frozenset()
) -> Graph:
    """Builds the graph after checking that every param is there and has the right shape. Raises PackError.

    exempt: variables that need no param.
    """
    mx = import_mxnet()
    internals = symbol.get_internals()
    try:
        arguments, outputs, auxiliary = internals.infer_shape(data=(1, 3, size, size))
    except mx.MXNetError as error:
        reason = str(error).strip().splitlines()[-1][:300]
        raise PackError(f"{path.name} does not take images of {size}x{size} px: {reason}") from error
    if any(math.prod(shape) > MAX_ELEMENTS for shape in outputs):
        raise PackError(
            f"{path.name} would make arrays of more than {MAX_ELEMENTS:,} numbers; no face model needs that."
        )
    expected = dict(zip(internals.list_arguments(), arguments, strict=True))
    expected |= dict(zip(internals.list_auxiliary_states(), auxiliary, strict=True))
    checked = {}
    for name in set(expected) - {"data", *exempt}:
        if name not in params:
            raise PackError(f"The params of {path.name} lack {name}.")
        if params[name].shape != expected[name]:
            raise PackError(
                f"The params of {path.name} do not fit its symbol: {name} has the shape {params[name].shape}, "
                f"but should have {expected[name]}."
            )
        checked[name] = params[name]
    return Graph.from_symbol(symbol, checked)
