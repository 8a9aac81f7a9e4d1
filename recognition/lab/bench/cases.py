"""The benchmark's cases: nets and their inputs. Every runtime gets the same graphs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.engine import builtin_faces
from recognition.engine.graph.ir import Graph
from recognition.engine.graph.strip_scaling import strip_scaling
from recognition.engine.mxnet_runtime import load_graph
from recognition.engine.net_forms import UseBfloat16


@dataclass(frozen=True, slots=True)
class Case:
    """Nets measured together.

    graphs: makes, from the folder of the packs, the graph of each net by its name.
    inputs: makes, from the batch size, the input of each net by its name, float32 NCHW.
    bfloat16: where the nets may run in it.
    """

    title: str
    graphs: Callable[[Path], dict[str, Graph]]
    inputs: Callable[[int], dict[str, np.ndarray]]
    batches: tuple[int, ...] = (1, 8)
    bfloat16: UseBfloat16 = "auto"


def _as_nchw(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), "float32")


def _normalised(pixels: np.ndarray) -> np.ndarray:
    return (_as_nchw(pixels) - 127.5) / 128


def _seeded_graphs(name: str, dim: int) -> Callable[[Path], dict[str, Graph]]:
    def graphs(models_dir: Path) -> dict[str, Graph]:
        from recognition.lab.training.symbols import network, seeded_params

        symbol = network(name, dim)
        graph = Graph.from_symbol(symbol, seeded_params(symbol))
        strip_scaling(graph)
        return {"embedder": graph}

    return graphs


def _installed_graphs(pack: str, *nets: str) -> Callable[[Path], dict[str, Graph]]:
    def graphs(models_dir: Path) -> dict[str, Graph]:
        folder = models_dir / pack
        return {net: load_graph(folder / f"{net}-symbol.json", folder / f"{net}-0000.params") for net in nets}

    return graphs


def _face_inputs(
    size: int, prepare: Callable[[np.ndarray], np.ndarray] = _normalised
) -> Callable[[int], dict[str, np.ndarray]]:
    return lambda batch: {"embedder": prepare(builtin_faces.faces(batch, size))}


def _mtcnn_inputs(batch: int) -> dict[str, np.ndarray]:
    """Roughly what the three nets are given for one photo of 640x480 px with one face."""
    return {
        "pnet": _normalised(builtin_faces.scene(192, 336)[None]),
        "rnet": _normalised(builtin_faces.faces(48, 24)),
        "onet": _normalised(builtin_faces.faces(4, 48)),
    }


CASES = {
    "dlib": Case("dlib ResNet", _installed_graphs("dlib-resnet", "embedder"), _face_inputs(150, _as_nchw)),
    "sface": Case("SFace (default pack)", _installed_graphs("sface", "embedder"), _face_inputs(112, _as_nchw)),
    "mbf": Case("MobileFaceNet y1 (seeded weights)", _seeded_graphs("mbf", 128), _face_inputs(112)),
    "r50": Case("LResNet50E-IR (seeded weights)", _seeded_graphs("r50", 512), _face_inputs(112)),
    "r100": Case("LResNet100E-IR (seeded weights)", _seeded_graphs("r100", 512), _face_inputs(112)),
    "scrfd": Case(
        "SCRFD-2.5G, 640x480",
        _installed_graphs("scrfd-mobilefacenet", "detector"),
        lambda batch: {"detector": _normalised(builtin_faces.scene(640, 480)[None])},
        batches=(1,),
    ),
    "mtcnn": Case(
        "MTCNN, nets of one 640x480 photo",
        _installed_graphs("sface", "pnet", "rnet", "onet"),
        _mtcnn_inputs,
        batches=(1,),
        bfloat16="asked",
    ),
}
