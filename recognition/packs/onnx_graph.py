"""Converts an ONNX graph to MXNet, operator by operator, without any ONNX runtime.

The operators are described at onnx.ai/onnx/operators. Those that `_SymbolBuilder` lacks are refused by name.
"""

import math
import operator
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx

from recognition.engine.graph.ir import Graph, Shape, Symbol
from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import import_mxnet
from recognition.packs.onnx_constants import FOLDED, MAX_BYTES, Attributes, Inputs, Value, array_of, fold

MAX_NODES = 5000
MAX_ELEMENTS = 1 << 26  # of any array on the way, for one image


def read_onnx(path: Path) -> onnx.ModelProto:
    """Reads a model that has all its weights inside. Raises PackError."""
    if path.stat().st_size > MAX_BYTES:
        raise PackError(f"{path.name} has more than {MAX_BYTES >> 20} MiB; no face model is that large.")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:
        raise PackError(f"{path.name} is not an ONNX file, or is damaged ({type(error).__name__}).") from error
    if not model.graph.node or len(model.graph.node) > MAX_NODES:
        raise PackError(f"{path.name} is not an ONNX model of a face net: it has {len(model.graph.node)} operators.")
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise PackError(
                f"{path.name} keeps its weights in other files (external data), which are not opened. Save it as one file."
            )
    return model


def image_size(model: onnx.ModelProto) -> tuple[int, int] | None:
    """Returns the height and width of the input, or None if the model leaves them open."""
    _, height, width = _input_shape(model)[1:]
    return (height, width) if height > 0 and width > 0 else None


def to_graph(model: onnx.ModelProto, size: int, *, maps: bool = False) -> Graph:
    """Converts a model to a graph with an input `data` of (n, 3, size, size). Raises PackError.

    maps: leave out the reshaping that detectors end in, so that the outputs are the maps of their convolutions.
    """
    builder = _SymbolBuilder(model, size, maps)
    for node in model.graph.node:
        builder.add(node)
    mx = import_mxnet()
    symbol = mx.sym.Group([builder.symbol(output.name) for output in model.graph.output])
    return Graph.from_symbol(symbol, builder.params)


def _images(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that are no weights. Quantised models may still list the weights they once had, which nothing reads."""
    given = {tensor.name for tensor in model.graph.initializer}
    read = {name for node in model.graph.node for name in node.input}
    return [value for value in model.graph.input if value.name in read and value.name not in given]


def _input_shape(model: onnx.ModelProto) -> list[int]:
    inputs = _images(model)
    if len(inputs) != 1:
        raise PackError(f"The model has {len(inputs)} inputs; a face model has one, the image.")
    shape = [dimension.dim_value for dimension in inputs[0].type.tensor_type.shape.dim]
    if len(shape) != 4 or shape[1] not in (0, 3):
        raise PackError(f"The model's input has the shape {shape}; images are (n, 3, height, width).")
    return shape


class _SymbolBuilder:
    """Builds a symbol. values: what each ONNX name stands for, a symbol or a constant array."""

    def __init__(self, model: onnx.ModelProto, size: int, maps: bool):
        self.mx = import_mxnet()
        self.maps = maps
        self.params: dict[str, np.ndarray] = {}
        self.values: dict[str, Value] = {tensor.name: array_of(tensor) for tensor in model.graph.initializer}
        self.data_shape = (1, 3, size, size)
        _input_shape(model)
        self.values[_images(model)[0].name] = self.mx.sym.var("data")
        self.shapes: dict[str, Shape] = {}
        self.count = 0  # of symbols, to number their names

    # --- Nodes ---
    def add(self, node: onnx.NodeProto) -> None:
        """Adds a node, whose inputs must have been added before. Raises PackError."""
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        inputs = [self.values[name] if name else None for name in node.input if name in self.values or not name]
        if len(inputs) != len(node.input):
            raise PackError(f"The model is damaged: an input of {node.op_type} is missing.")
        value: Value
        try:
            if node.op_type == "Constant" or self._is_constant(node, inputs):
                value = fold(node.op_type, inputs, attributes, self.shape)
            else:
                value = self._convert(node, inputs, attributes)
        except PackError:
            raise
        except Exception as error:
            raise PackError(
                f"{node.op_type} ({node.name or node.output[0]}) cannot be converted: {_short(error)}"
            ) from error
        self.values[node.output[0]] = value = np.asarray(value) if isinstance(value, np.generic) else value
        if not isinstance(value, np.ndarray):
            self._check_size(node, value)

    def symbol(self, name: str) -> Symbol:
        """Returns an output of the model. Raises PackError."""
        value = self.values.get(name)
        if value is None or isinstance(value, np.ndarray):
            raise PackError(f"The model's output {name} does not depend on the image.")
        return value

    def _is_constant(self, node: onnx.NodeProto, inputs: Inputs) -> bool:
        constant = all(value is None or isinstance(value, np.ndarray) for value in inputs)
        return node.op_type in FOLDED and (constant or node.op_type == "Shape")

    def _convert(self, node: onnx.NodeProto, inputs: Inputs, attributes: Attributes) -> Symbol:
        method = getattr(self, f"_{node.op_type.lower()}", None)
        if node.domain not in ("", "ai.onnx") or method is None:
            raise PackError(f"The operator {node.op_type} is not supported. Please report it with the model's name.")
        self.count += 1
        return method(inputs, attributes, f"{node.op_type.lower()}{self.count}")

    def _check_size(self, node: onnx.NodeProto, symbol: Symbol) -> None:
        elements = math.prod(self.shape(symbol))
        if elements > MAX_ELEMENTS:
            raise PackError(f"{node.op_type} would make an array of {elements:,} numbers; no face model needs that.")

    def shape(self, symbol: Symbol) -> Shape:
        """Infers the shape of a symbol, for one image of the size that the net is imported for."""
        name = symbol.list_outputs()[0]
        if name not in self.shapes:
            shapes = {key: array.shape for key, array in self.params.items()} | {"data": self.data_shape}
            used = set(symbol.list_inputs())
            _, [self.shapes[name]], _ = symbol.infer_shape(**{key: shapes[key] for key in used})
        return self.shapes[name]

    def variable(self, name: str, value: np.ndarray) -> Symbol:
        """Adds a param and returns its symbol."""
        self.params[name] = np.ascontiguousarray(value, "float32")
        return self.mx.sym.var(name, shape=value.shape)

    # --- Layers with weights ---
    def _conv(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        data, weight, *bias = inputs
        kernel = weight.shape[2:]
        data, pad = self._padded(data, attributes, name)
        variables = [self.variable(f"{name}_weight", weight)]
        variables += [self.variable(f"{name}_bias", array) for array in bias]
        return self.mx.sym.Convolution(
            data,
            *variables,
            name=name,
            num_filter=weight.shape[0],
            num_group=attributes.get("group", 1),
            kernel=kernel,
            stride=attributes.get("strides", [1, 1]),
            dilate=attributes.get("dilations", [1, 1]),
            pad=pad,
            no_bias=not bias,
        )

    def _padded(
        self, data: Symbol, attributes: Attributes, name: str, value: float = 0.0
    ) -> tuple[Symbol, tuple[int, int]]:
        """Returns the data and the padding to give the operator. Padding that differs between sides is added to the data."""
        if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
            raise ValueError("auto_pad")
        top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
        if (top, left) == (bottom, right):
            return data, (top, left)
        widths = (0, 0, 0, 0, top, bottom, left, right)
        padded = self.mx.sym.pad(data, mode="constant", pad_width=widths, constant_value=value, name=f"{name}_pad")
        return padded, (0, 0)

    def _gemm(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        data, weight, *bias = inputs
        if attributes.get("transA", 0) or attributes.get("alpha", 1.0) != 1 or attributes.get("beta", 1.0) != 1:
            raise ValueError("transA, alpha or beta")
        return self._dense(data, weight if attributes.get("transB", 0) else weight.T, bias, name)

    def _matmul(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        data, weight = inputs
        return self._dense(data, weight.T, [], name)

    def _dense(self, data: Symbol, weight: np.ndarray, bias: Sequence[np.ndarray], name: str) -> Symbol:
        variables = [self.variable(f"{name}_weight", weight)]
        variables += [self.variable(f"{name}_bias", np.ravel(array)) for array in bias]
        return self.mx.sym.FullyConnected(data, *variables, name=name, num_hidden=len(weight), no_bias=not bias)

    def _batchnormalization(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        data, *params = inputs
        names = ("gamma", "beta", "moving_mean", "moving_var")
        variables = [self.variable(f"{name}_{key}", array) for key, array in zip(names, params, strict=True)]
        epsilon = attributes.get("epsilon", 1e-5)
        return self.mx.sym.BatchNorm(data, *variables, name=name, eps=epsilon, fix_gamma=False, use_global_stats=True)

    def _prelu(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        data, slope = inputs
        slopes = np.broadcast_to(np.ravel(slope), (self.shape(data)[1],))
        return self.mx.sym.LeakyReLU(data, self.variable(f"{name}_gamma", slopes), act_type="prelu", name=name)

    # --- Element by element ---
    def _relu(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        return self.mx.sym.Activation(inputs[0], act_type="relu", name=name)

    def _sigmoid(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        return self.mx.sym.Activation(inputs[0], act_type="sigmoid", name=name)

    def _leakyrelu(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        return self.mx.sym.LeakyReLU(inputs[0], act_type="leaky", slope=attributes.get("alpha", 0.01), name=name)

    def _clip(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        low, high = ([*inputs[1:], None, None])[:2]
        low = attributes.get("min", low if low is not None else -np.inf)
        high = attributes.get("max", high if high is not None else np.inf)
        if float(low) == 0 and float(high) == np.inf:
            return self._relu(inputs, attributes, name)
        return self.mx.sym.clip(inputs[0], a_min=float(low), a_max=float(high), name=name)

    def _softmax(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        return self.mx.sym.softmax(inputs[0], axis=attributes.get("axis", -1), name=name)

    def _identity(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        return inputs[0]

    _dropout = _identity

    def _add(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        return self._arithmetic(inputs, name, operator.add, "broadcast_add", commutes=True)

    def _sub(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        return self._arithmetic(inputs, name, operator.sub, "broadcast_sub")

    def _mul(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        return self._arithmetic(inputs, name, operator.mul, "broadcast_mul", commutes=True)

    def _div(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        return self._arithmetic(inputs, name, operator.truediv, "broadcast_div")

    def _arithmetic(
        self,
        inputs: Inputs,
        name: str,
        with_number: Callable[[Symbol, float], Symbol],
        op: str,
        *,
        commutes: bool = False,
    ) -> Symbol:
        """Combines two symbols, or a symbol with a constant: one number, or one for each channel.

        with_number: what to do with a number. op: the operator for the rest. commutes: whether the sides can be swapped.
        """
        left, right = inputs
        if isinstance(left, np.ndarray):
            if not commutes:
                raise ValueError("a constant on its left side")
            left, right = right, left
        if not isinstance(right, np.ndarray):
            if op == "broadcast_add" and self.shape(left) == self.shape(right):
                op = "elemwise_add"
            return getattr(self.mx.sym, op)(left, right, name=name)
        if right.size == 1:
            return with_number(left, float(right.ravel()[0]))
        shape = (1,) * (len(self.shape(left)) - right.ndim) + right.shape
        return getattr(self.mx.sym, op)(left, self.variable(f"{name}_constant", right.reshape(shape)), name=name)

    # --- Pools, shapes, sizes ---
    def _maxpool(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        return self._pool(inputs[0], attributes, name, "max")

    def _averagepool(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        return self._pool(inputs[0], attributes, name, "avg")

    def _pool(self, data: Symbol, attributes: Attributes, name: str, kind: str) -> Symbol:
        data, pad = self._padded(data, attributes, name, -1e30 if kind == "max" else 0.0)
        return self.mx.sym.Pooling(
            data,
            pool_type=kind,
            kernel=attributes["kernel_shape"],
            stride=attributes.get("strides", [1, 1]),
            pad=pad,
            pooling_convention="full" if attributes.get("ceil_mode", 0) else "valid",
            count_include_pad=bool(attributes.get("count_include_pad", 0)),
            name=name,
        )

    def _globalaveragepool(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        return self.mx.sym.Pooling(inputs[0], pool_type="avg", global_pool=True, kernel=(1, 1), name=name)

    def _flatten(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        if attributes.get("axis", 1) != 1:
            raise ValueError(f"axis {attributes['axis']}")
        return self.mx.sym.Flatten(inputs[0], name=name)

    def _reshape(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        data, target = inputs
        if self.maps:
            return data
        batch, *rest = self.shape(data)
        if len(target) == 2 and int(target[0]) in (batch, -1, 0) and int(target[1]) in (math.prod(rest), -1):
            return self.mx.sym.Flatten(data, name=name)
        if int(target[0]) in (batch, 0):
            return self.mx.sym.reshape(data, shape=(0, *(int(side) for side in target[1:])), name=name)
        raise ValueError(f"to {target.tolist()}, which mixes images")

    def _transpose(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        return inputs[0] if self.maps else self.mx.sym.transpose(inputs[0], axes=attributes["perm"], name=name)

    def _concat(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        return self.mx.sym.concat(*inputs, dim=attributes["axis"], name=name)

    def _resize(self, inputs: Inputs, attributes: Attributes, name: str) -> Symbol:
        data, constants = inputs[0], [value for value in inputs[1:] if value is not None and value.size == 4]
        if attributes.get("mode", b"nearest") != b"nearest" or len(constants) != 1:
            raise ValueError("only nearest, to a fixed multiple")
        before = np.array(self.shape(data)[2:], "float64")
        after = (
            constants[0][2:] if constants[0][0] == 1 and constants[0].dtype.kind == "i" else before * constants[0][2:]
        )
        factor = np.unique(np.asarray(after, "float64") / before)
        if len(factor) != 1 or factor[0] != int(factor[0]):
            raise ValueError(f"by {factor.tolist()}")
        return self.mx.sym.UpSampling(data, scale=int(factor[0]), sample_type="nearest", name=name)

    _upsample = _resize


def _short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
