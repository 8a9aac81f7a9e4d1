"""Exports a graph to ONNX, so that other runtimes can run the same net."""

from pathlib import Path
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from recognition.engine.graph.ir import VARIABLE, Graph, Node

OPSET = 18
SCALAR_OPERATORS = {"_minus_scalar": "Sub", "_plus_scalar": "Add", "_mul_scalar": "Mul", "_div_scalar": "Div"}
SAME_OPERATORS = {"elemwise_add": "Add", "_Plus": "Add", "broadcast_add": "Add", "broadcast_mul": "Mul", "Flatten": "Flatten",
        "identity": "Identity", "_copy": "Identity", "Dropout": "Identity", "relu": "Relu", "sigmoid": "Sigmoid"}  # fmt: skip


def export(graph: Graph, path: Path, *, data: tuple[int | str, ...]) -> None:
    """Writes `graph` as an ONNX model; see onnx_bytes."""
    path.write_bytes(onnx_bytes(graph, data=data))


def onnx_bytes(graph: Graph, *, data: tuple[int | str, ...]) -> bytes:
    """Returns `graph` as an ONNX model for an input of shape `data`, where a string names a dimension of any size.

    Raises KeyError for an operator that cannot be exported.
    """
    exporter = _Exporter(graph)
    names = [exporter.output(node) if not output else f"{node.name}:{output}" for node, output in graph.outputs]
    onnx_graph = helper.make_graph(
        exporter.nodes,
        "net",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, data)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        exporter.constants,
    )
    model = helper.make_model(onnx_graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    return model.SerializeToString()


class _Exporter:
    """Collects the ONNX nodes and constants of a graph; each operator has a method named after it in lower case."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        for node in graph.nodes():
            if graph.is_param(node):
                self._constant(node.name, graph.params[node.name])
            elif node.op != VARIABLE:
                self._emit(node)

    def output(self, node: Node) -> str:
        return node.name

    def _emit(self, node: Node) -> None:
        inputs = [source.name for source, _ in node.inputs]
        if node.op in SAME_OPERATORS:
            self._add(SAME_OPERATORS[node.op], inputs, node)
        elif node.op in SCALAR_OPERATORS:
            scalar = self._constant(f"{node.name}_scalar", np.float32(node.value("scalar")))
            self._add(SCALAR_OPERATORS[node.op], [*inputs, scalar], node)
        else:
            getattr(self, f"_{node.op.lower()}", self._unknown)(node, inputs)

    def _unknown(self, node: Node, inputs: list[str]) -> None:
        raise KeyError(f"the operator {node.op} cannot be exported")

    def _add(self, op: str, inputs: list[str], node: Node, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(op, inputs, [node.name], node.name, **attributes))

    def _constant(self, name: str, value: np.ndarray | np.float32) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _convolution(self, node: Node, inputs: list[str]) -> None:
        pad = node.value("pad", (0, 0))
        self._add(
            "Conv", inputs, node,
            kernel_shape=node.value("kernel"), strides=node.value("stride", (1, 1)), pads=[*pad, *pad],
            group=int(node.value("num_group", 1)),
        )  # fmt: skip

    def _batchnorm(self, node: Node, inputs: list[str]) -> None:
        if node.value("fix_gamma", True):
            ones = np.ones_like(self.graph.param(node, 1))
            inputs = [inputs[0], self._constant(f"{node.name}_ones", ones), *inputs[2:]]
        self._add("BatchNormalization", inputs, node, epsilon=float(node.value("eps", 1e-3)))

    def _leakyrelu(self, node: Node, inputs: list[str]) -> None:
        if node.value("act_type") == "prelu":
            spatial = 0 if node.source().op == "FullyConnected" else 2
            slope = self.graph.param(node, 1).reshape(-1, *[1] * spatial)
            self._add("PRelu", [inputs[0], self._constant(f"{node.name}_slope", slope)], node)
        else:
            self._add("LeakyRelu", inputs, node, alpha=float(node.value("slope", 0.25)))

    def _activation(self, node: Node, inputs: list[str]) -> None:
        self._add({"relu": "Relu", "sigmoid": "Sigmoid"}[node.value("act_type")], inputs, node)

    def _fullyconnected(self, node: Node, inputs: list[str]) -> None:
        self.nodes.append(helper.make_node("Flatten", inputs[:1], [f"{node.name}_flat"]))
        self._add("Gemm", [f"{node.name}_flat", *inputs[1:]], node, transB=1)

    def _pooling(self, node: Node, inputs: list[str]) -> None:
        kind = node.value("pool_type", "max")
        if node.value("global_pool", False):
            self._add({"avg": "GlobalAveragePool", "max": "GlobalMaxPool"}[kind], inputs, node)
            return
        pad = node.value("pad", (0, 0))
        attributes = {
            "kernel_shape": node.value("kernel"), "strides": node.value("stride", (1, 1)), "pads": [*pad, *pad],
            "ceil_mode": int(node.value("pooling_convention", "valid") == "full"),
        }  # fmt: skip
        self._add({"avg": "AveragePool", "max": "MaxPool"}[kind], inputs, node, **attributes)

    def _pad(self, node: Node, inputs: list[str]) -> None:
        widths = np.array(node.value("pad_width"), "int64").reshape(-1, 2).T.ravel()
        self._add("Pad", [*inputs, self._constant(f"{node.name}_widths", widths)], node)

    def _concat(self, node: Node, inputs: list[str]) -> None:
        self._add("Concat", inputs, node, axis=int(node.value("dim", 1)))

    def _zeros_like(self, node: Node, inputs: list[str]) -> None:
        zero = self._constant(f"{node.name}_zero", np.float32(0))
        self._add("Mul", [*inputs, zero], node)

    def _softmax(self, node: Node, inputs: list[str]) -> None:
        self._add("Softmax", inputs, node, axis=int(node.value("axis", -1)))

    def _upsampling(self, node: Node, inputs: list[str]) -> None:
        scale = float(node.value("scale"))
        scales = self._constant(f"{node.name}_scales", np.array([1, 1, scale, scale], "float32"))
        self._add("Resize", [*inputs, "", scales], node, mode="nearest", coordinate_transformation_mode="asymmetric",
                  nearest_mode="floor")  # fmt: skip

    def _clip(self, node: Node, inputs: list[str]) -> None:
        limits = [self._constant(f"{node.name}_{key}", np.float32(node.value(key))) for key in ("a_min", "a_max")]
        self._add("Clip", [*inputs, *limits], node)

    def _slice_axis(self, node: Node, inputs: list[str]) -> None:
        names = [
            self._constant(f"{node.name}_{name}", np.array([node.value(key)], "int64"))
            for name, key in (("starts", "begin"), ("ends", "end"), ("axes", "axis"))
        ]
        self._add("Slice", [*inputs, *names], node)
