"""What of an ONNX graph is computed at once: arithmetic on shapes, and weights that are stored as whole numbers.

The operators are described at onnx.ai/onnx/operators.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import numpy_helper

from recognition.engine.graph.ir import Shape
from recognition.engine.manifest import PackError

MAX_BYTES = 1 << 30
ARITHMETIC: dict[str, np.ufunc] = {"Mul": np.multiply, "Add": np.add, "Sub": np.subtract, "Div": np.divide}
# Operators that are computed at once if all their inputs are constants, as in the arithmetic on shapes.
FOLDED = ("Shape", "Gather", "Unsqueeze", "Squeeze", "Slice", "Concat", "Cast", "Floor", *ARITHMETIC)
FOLDED += ("DequantizeLinear", "Reshape")

Value: TypeAlias = Any  # a Symbol, or a constant as np.ndarray
Inputs = Sequence[Value]  # None for an input that is left out
Attributes = dict[str, Any]


def fold(op: str, inputs: Inputs, attributes: Attributes, shape_of: Callable[[Value], Shape]) -> np.ndarray:
    """Computes an operator of FOLDED. shape_of: of a symbol, for one image."""
    match op:
        case "Constant":
            value = attributes.get("value", attributes.get("value_float", attributes.get("value_int")))
            value = attributes.get("value_ints", attributes.get("value_floats", value))
            return array_of(value) if isinstance(value, onnx.TensorProto) else np.array(value)
        case "Shape":
            [value] = inputs
            shape = value.shape if isinstance(value, np.ndarray) else shape_of(value)
            return np.array(shape, "int64")
        case "Gather":
            return np.take(inputs[0], inputs[1].astype("int64"), axis=attributes.get("axis", 0))
        case "Unsqueeze" | "Squeeze":
            axes = attributes.get("axes") or [int(axis) for axis in inputs[1]]
            return getattr(np, {"Unsqueeze": "expand_dims", "Squeeze": "squeeze"}[op])(inputs[0], tuple(axes))
        case "Slice":
            starts, ends = (attributes.get(key) or inputs[n].tolist() for n, key in ((1, "starts"), (2, "ends")))
            return inputs[0][slice(starts[0], ends[0])]
        case "Concat":
            return np.concatenate(inputs, attributes.get("axis", 0))
        case "Cast":
            return inputs[0].astype(onnx.helper.tensor_dtype_to_np_dtype(attributes["to"]))
        case "Floor":
            return np.floor(inputs[0])
        case "DequantizeLinear":
            return _dequantised(*inputs, **attributes)
        case "Reshape":
            return inputs[0].reshape([int(side) for side in inputs[1]])
    return ARITHMETIC[op](*inputs)


def array_of(tensor: onnx.TensorProto) -> np.ndarray:
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise PackError(
            "The model keeps its weights in other files (external data), which are not opened. Save it as one file."
        )
    if math.prod(tensor.dims) > MAX_BYTES:
        raise PackError(
            f"The weight {tensor.name} claims the shape {list(tensor.dims)}, larger than in any face model."
        )
    try:
        return numpy_helper.to_array(tensor)
    except Exception as error:
        message = f"The weight {tensor.name} is damaged: its data are not of shape {list(tensor.dims)}."
        raise PackError(message) from error


def _dequantised(
    values: np.ndarray,
    scale: np.ndarray,
    zero: np.ndarray | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    **_: int,
) -> np.ndarray:
    """(values - zero) * scale; a scale and zero point for all values, for each place along `axis`, or for each block of them."""

    def along_axis(given: np.ndarray) -> np.ndarray:
        if block_size:
            if given.shape[axis] != -(-values.shape[axis] // block_size):
                raise ValueError(f"{given.shape[axis]} blocks of {block_size} for {values.shape[axis]} values")
            return np.take(np.repeat(given, block_size, axis), np.arange(values.shape[axis]), axis)
        return given.reshape([-1 if side == axis % values.ndim else 1 for side in range(values.ndim)])

    difference = values.astype("int32") - (0 if zero is None else along_axis(zero).astype("int32"))
    return difference.astype("float32") * along_axis(scale).astype("float32")
