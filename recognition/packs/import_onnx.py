"""Imports face nets from ONNX: embedders of the ArcFace family, and the detectors SCRFD and YuNet."""

from pathlib import Path

import numpy as np

from recognition.engine.graph.ir import Graph, Node
from recognition.engine.graph.linear import is_linear, scale_output
from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import import_mxnet
from recognition.packs.malformed import only_pack_errors
from recognition.packs.onnx_graph import image_size, read_onnx, to_graph

DETECTOR_SIZE = 128  # px; of the image that the shapes are worked out for: any multiple of the largest stride
STRIDES = (8, 16, 32)
YUNET_CHANNELS = (1, 1, 4, 10)  # how sure, how well the box fits, box, landmarks
CHANNELS_OF = {"scores": 1, "boxes": 4, "landmarks": 10}  # per anchor


@only_pack_errors
def embedder_graph(path: Path, size: int = 112) -> tuple[Graph, int]:
    """Reads an embedder; returns it and the side of its chips, px. Raises PackError.

    size: of the chips, if the model leaves it open.
    """
    model = read_onnx(path)
    height, width = image_size(model) or (size, size)
    if height != width:
        raise PackError(f"{path.name} takes images of {width}x{height} px; aligned faces are square.")
    return to_graph(model, height), height


@only_pack_errors
def scrfd_graph(path: Path) -> Graph:
    """Reads an SCRFD with landmarks, and puts its outputs in the order that mxnet_scrfd.py expects. Raises PackError."""
    graph = to_graph(read_onnx(path), DETECTOR_SIZE, maps=True)
    _fold_scales(graph)
    shapes = graph.shapes(import_mxnet(), (1, 3, DETECTOR_SIZE, DETECTOR_SIZE))
    outputs = {}
    for node, output in graph.outputs:
        _, channels, height, _ = shapes[node]
        outputs[channels, DETECTOR_SIZE // height] = (node, output)
    anchors = min(channels for channels, _ in outputs)
    expected = [(count * anchors, stride) for count in CHANNELS_OF.values() for stride in STRIDES]
    if set(outputs) != set(expected) or len(graph.outputs) != len(expected):
        raise PackError(
            f"{path.name} is not an SCRFD with five landmarks: its outputs should be scores, boxes and landmarks at the "
            f"strides {STRIDES}, but have the channels and strides {sorted(outputs)}."
        )
    graph.outputs = [outputs[key] for key in expected]
    return graph


@only_pack_errors
def yunet_graph(path: Path) -> Graph:
    """Reads a YuNet, and checks that its outputs are in the order that mxnet_yunet.py expects. Raises PackError."""
    graph = to_graph(read_onnx(path), DETECTOR_SIZE, maps=True)
    shapes = graph.shapes(import_mxnet(), (1, 3, DETECTOR_SIZE, DETECTOR_SIZE))
    found = [(shapes[node][1], DETECTOR_SIZE // shapes[node][2]) for node, _ in graph.outputs]
    if found != [(count, stride) for count in YUNET_CHANNELS for stride in STRIDES]:
        raise PackError(f"{path.name} is not a YuNet: its outputs have the channels and strides {found}.")
    return graph


@only_pack_errors
def detector_graph(path: Path) -> tuple[str, Graph]:
    """Reads a detector, and tells which of them it is: "yunet" or "scrfd". Raises PackError."""
    try:
        return "yunet", yunet_graph(path)
    except PackError:
        return "scrfd", scrfd_graph(path)


def _fold_scales(graph: Graph) -> None:
    """Folds each head's learned scale, which is one number, into the convolution before it."""
    for node in graph.nodes():
        if node.op == "_mul_scalar" and _is_only_read_by(graph, node.source(), node):
            filters = len(graph.param(node.source(), 1))
            scale_output(graph, node.source(), np.full(filters, float(node.value("scalar"))))
            graph.replace(node, node.source())


def _is_only_read_by(graph: Graph, source: Node, user: Node) -> bool:
    return is_linear(source) and graph.consumers()[source] == [user]
