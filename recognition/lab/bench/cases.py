"""What is measured: nets, and the inputs they get. The same graphs go to every runtime."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.engine import builtin_faces
from recognition.engine.graph.ir import Graph
from recognition.engine.graph.strip_scaling import strip_scaling
from recognition.engine.mxnet_runtime import load_graph


@dataclass(frozen=True, slots=True)
class Case:
    """graphs: net → graph. inputs: batch → net → what one call of the case feeds it, float32 NCHW."""

    title: str
    graphs: Callable[[Path], dict[str, Graph]]
    inputs: Callable[[int], dict[str, np.ndarray]]
    batches: tuple[int, ...] = (1, 8)
    bfloat16: bool = True


def _images(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), "float32")


def _scaled(pixels: np.ndarray) -> np.ndarray:
    return (_images(pixels) - 127.5) / 128


def _seeded(name: str, dim: int) -> Callable[[Path], dict[str, Graph]]:
    def graphs(models_dir: Path) -> dict[str, Graph]:
        from recognition.lab.training.symbols import network, seeded_params

        symbol = network(name, dim)
        graph = Graph.from_symbol(symbol, seeded_params(symbol))
        strip_scaling(graph)
        return {"embedder": graph}

    return graphs


def _installed(pack: str, *nets: str) -> Callable[[Path], dict[str, Graph]]:
    def graphs(models_dir: Path) -> dict[str, Graph]:
        folder = models_dir / pack
        return {net: load_graph(folder / f"{net}-symbol.json", folder / f"{net}-0000.params") for net in nets}

    return graphs


def _faces(size: int, prepare=_scaled) -> Callable[[int], dict[str, np.ndarray]]:
    return lambda batch: {"embedder": prepare(builtin_faces.faces(batch, size))}


def _mtcnn(batch: int) -> dict[str, np.ndarray]:
    """About what a photo of 640x480 px with one face makes it do."""
    return {
        "pnet": _scaled(builtin_faces.scene(192, 336)[None]),
        "rnet": _scaled(builtin_faces.faces(48, 24)),
        "onet": _scaled(builtin_faces.faces(4, 48)),
    }


CASES = {
    "dlib": Case("dlib ResNet (default pack)", _installed("dlib-resnet", "embedder"), _faces(150, _images)),
    "mbf": Case("MobileFaceNet y1 (seeded weights)", _seeded("mbf", 128), _faces(112)),
    "r50": Case("LResNet50E-IR (seeded weights)", _seeded("r50", 512), _faces(112)),
    "r100": Case("LResNet100E-IR (seeded weights)", _seeded("r100", 512), _faces(112)),
    "scrfd": Case(
        "SCRFD-2.5G, 640x480",
        _installed("scrfd-mobilefacenet", "detector"),
        lambda batch: {"detector": _scaled(builtin_faces.scene(640, 480)[None])},
        batches=(1,),
    ),
    "mtcnn": Case(
        "MTCNN, nets of one 640x480 photo",
        _installed("dlib-resnet", "pnet", "rnet", "onet"),
        _mtcnn,
        batches=(1,),
        bfloat16=False,
    ),
}
