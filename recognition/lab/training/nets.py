"""The nets that can be trained: new ones with random weights, and those of installed packs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.engine.align import ALIGNMENTS
from recognition.engine.graph.ir import Graph, Node
from recognition.engine.manifest import Manifest, verify_pack
from recognition.engine.mxnet_runtime import import_mxnet, load_graph
from recognition.lab.training.symbols import CHIP_SIZE, Symbol, network

INITIAL_SLOPE = 0.25  # of PReLU


@dataclass(slots=True)
class TrainableNet:
    """A net from a chip to one vector.

    size: of the chip, px. The graph's input is (x - mean) / std of the pixels, in the order `colours` (“rgb” or “bgr”).
    mean, std: None if the graph scales the pixels itself. metric: how vectors are compared, as in a pack's manifest.
    """

    graph: Graph
    size: int = CHIP_SIZE
    mean: list[float] | None = None
    std: list[float] | None = None
    colours: str = "rgb"
    metric: str = "cosine"

    @property
    def dim(self) -> int:
        shape = self.graph.shapes(import_mxnet(), (1, 3, self.size, self.size))
        return shape[self.graph.outputs[0][0]][1]

    def preprocess(self, chips: np.ndarray) -> np.ndarray:
        """Chips, uint8 RGB (n, size, size, 3), as the graph's input; float32 (n, 3, size, size)."""
        if self.colours == "bgr":
            chips = chips[..., ::-1]
        pixels = chips.transpose(0, 3, 1, 2).astype("float32")
        if self.mean is not None:
            mean, std = (np.array(values, "float32").reshape(3, 1, 1) for values in (self.mean, self.std))
            pixels = (pixels - mean) / std
        return np.ascontiguousarray(pixels)


def new_net(name: str, dim: int, seed: int, width: float = 1.0) -> TrainableNet:
    """A network by name (see symbols.network) with random weights: Gaussian, of variance 2 / outputs, as published."""
    return initialised_net(network(name, dim, width), seed)


def initialised_net(symbol: Symbol, seed: int, size: int = CHIP_SIZE) -> TrainableNet:
    """Any symbol from `data` to vectors, with random weights, as a net."""
    arguments, _, auxiliary = symbol.infer_shape(data=(1, 3, size, size))
    shapes = dict(zip(symbol.list_arguments(), arguments, strict=True))
    shapes |= dict(zip(symbol.list_auxiliary_states(), auxiliary, strict=True))
    random = np.random.default_rng(seed)
    params = {name: _initial_value(random, name, shape) for name, shape in shapes.items() if name != "data"}
    return TrainableNet(Graph.from_symbol(symbol, params), size)


def _initial_value(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    kind = name.rpartition("_")[2]
    if kind == "weight":
        outputs = shape[0] * int(np.prod(shape[2:]))
        return random.normal(0, np.sqrt(2 / outputs), shape).astype("float32")
    value = {"gamma": INITIAL_SLOPE if "relu" in name else 1.0, "var": 1.0}.get(kind, 0.0)
    return np.full(shape, value, "float32")


def net_of_pack(pack_dir: Path) -> tuple[TrainableNet, Manifest]:
    """The embedder of an installed pack, and the pack's manifest. Raises PackError, ValueError."""
    manifest = verify_pack(pack_dir)
    graph = load_graph(pack_dir / "embedder-symbol.json", pack_dir / "embedder-0000.params")
    size = ALIGNMENTS[manifest.alignment].chip_size
    return TrainableNet(graph, size, manifest.mean, manifest.std, manifest.colours, manifest.metric), manifest


def training_graph(net: TrainableNet, *, frozen_batchnorm: bool) -> Graph:
    """The net's graph in the form that is trained. The params keep their names and meaning.

    frozen_batchnorm: normalise by the stored means and variances, as in use, and do not change them. For batches too small
    to have reliable statistics.
    """
    graph = net.graph.copy()
    for node in graph.nodes():
        if node.op == "BatchNorm" and frozen_batchnorm:
            node.attrs["use_global_stats"] = "True"
    _split_prelus(graph)
    return graph


def _split_prelus(graph: Graph) -> None:
    """Replaces each PReLU by relu(x) + a (x - relu(x)), with the product as a depthwise 1x1 convolution.

    MXNet's own PReLU takes 85 % of a training step on a CPU, nearly all of it for its gradient. Inside some nets its gradient
    of `a` is wrong, a quarter of the numerical one (tests/recognition/lab/training/test_nets.py compares gradients). This
    form is exact and takes a tenth of the time.
    """
    for node in graph.nodes():
        if node.op == "LeakyReLU" and node.attrs.get("act_type") == "prelu":
            channels = graph.param(node, 1).size
            name = node.name
            weight = Node("Reshape", f"{name}_slopes", {"shape": "(-1, 1, 1, 1)"}, [node.inputs[1]])
            above = Node("Activation", f"{name}_above", {"act_type": "relu"}, [node.inputs[0]])
            below = Node("elemwise_sub", f"{name}_below", {}, [node.inputs[0], (above, 0)])
            attrs = {"kernel": "(1, 1)", "num_filter": str(channels), "num_group": str(channels), "no_bias": "True"}
            scaled = Node("Convolution", f"{name}_scaled", attrs, [(below, 0), (weight, 0)])
            graph.replace(node, Node("elemwise_add", f"{name}_split", {}, [(above, 0), (scaled, 0)]))
