"""Converts dlib's face recognition ResNet (dlib_face_recognition_resnet_model_v1.dat, CC0) to MXNet.

The format is that of dlib's serialize.h and dnn/layers.h. An int is a control byte (low nibble: byte count, 0x80: negative)
and little-endian bytes; a float is mantissa and exponent as ints; a tensor is the int 2, four ints and raw float32. The
network is that of dnn_face_recognition_ex.cpp in dlib's examples.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from recognition.engine.graph.ir import Symbol
from recognition.engine.mxnet_runtime import import_mxnet, save_net

CHANNEL_MEANS = (122.782, 117.001, 104.298)  # R, G, B
# Residual blocks in the order of execution: (filters, whether they halve the size, number of blocks).
STAGES = (
    (32, False, 3),
    (64, True, 1),
    (64, False, 3),
    (128, True, 1),
    (128, False, 2),
    (256, True, 1),
    (256, False, 2),
    (256, True, 1),
)
SIZE = 150  # of the chip, px

Fields: TypeAlias = dict[str, Any]  # of a layer: arrays under "weight" and such names, ints under "stride" and "pad"
Layer = tuple[str, Fields]  # kind, fields


class FormatError(ValueError):
    """The file is not what dlib 19 writes for this network."""


class _Reader:
    def __init__(self, data: bytes):
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        part = self.data[self.at : self.at + count]
        if len(part) != count:
            raise FormatError("the file ends too early")
        self.at += count
        return part

    def integer(self) -> int:
        control = self.take(1)[0]
        size = control & 0x0F
        if control & 0x70 or size > 8:
            raise FormatError(f"not an integer at byte {self.at - 1}")
        value = int.from_bytes(self.take(size), "little")
        return -value if control & 0x80 else value

    def number(self) -> float:
        mantissa = self.integer()
        return mantissa * 2.0 ** self.integer()

    def text(self) -> str:
        return self.take(self.integer()).decode("ascii")

    def boolean(self) -> bool:
        return self.take(1) == b"1"

    def tensor(self) -> np.ndarray:
        if self.integer() != 2:
            raise FormatError(f"not a tensor at byte {self.at}")
        shape = tuple(self.integer() for _ in range(4))
        count = int(np.prod(shape))
        return np.frombuffer(self.take(4 * count), "<f4").reshape(shape)

    def skip_alias(self) -> None:
        """Skips an alias, a view of another tensor, of which the file holds only the four dimensions."""
        if self.integer() != 1:
            raise FormatError(f"not an alias at byte {self.at}")
        for _ in range(4):
            self.integer()

    def expect(self, text: str) -> None:
        if (found := self.text()) != text:
            raise FormatError(f"“{found}” instead of “{text}”")


def read_layers(data: bytes) -> list[Layer]:
    """Reads the network's layers in the order of execution. Raises FormatError."""
    reader = _Reader(data)
    if reader.integer() != 1:
        raise FormatError("unknown version of the loss layer")
    reader.expect("loss_metric_2")
    for _ in range(2):
        reader.number()
    while data[reader.at : reader.at + 2] in (b"\x01\x01", b"\x01\x02", b"\x01\x03"):
        reader.integer()
    reader.expect("input_rgb_image_sized")
    means = tuple(round(reader.number(), 3) for _ in range(3))
    if means != CHANNEL_MEANS or (reader.integer(), reader.integer()) != (SIZE, SIZE):
        raise FormatError("unexpected input layer")
    layers: list[Layer] = []
    while reader.at < len(data) and (not layers or layers[-1][0] != "fc_2"):
        kind = reader.text()
        if kind not in _FIELDS:
            raise FormatError(f"unexpected layer “{kind}”")
        layers.append((kind, _FIELDS[kind](reader)))
        for _ in range(3):
            reader.boolean()
        for _ in range(3):
            reader.tensor()
        if len(layers) == 1:
            reader.integer()
    return layers


def _skip_aliases(reader: _Reader) -> None:
    reader.skip_alias()
    reader.skip_alias()


def _convolution(reader: _Reader) -> Fields:
    params = reader.tensor().ravel()
    filters, rows, columns, stride, _, pad, _ = (reader.integer() for _ in range(7))
    _skip_aliases(reader)
    for _ in range(4):
        reader.number()
    weight, bias = np.split(params, [params.size - filters])
    return {"weight": weight.reshape(filters, -1, rows, columns), "bias": bias, "stride": stride, "pad": pad}


def _affine(reader: _Reader) -> Fields:
    gamma, beta = np.split(reader.tensor().ravel(), 2)
    _skip_aliases(reader)
    reader.integer()
    return {"gamma": gamma, "beta": beta}


def _pooling(reader: _Reader) -> Fields:
    for _ in range(6):  # kernel, stride and padding, which `network` below has built in
        reader.integer()
    return {}


def _dense(reader: _Reader) -> Fields:
    for _ in range(2):
        reader.integer()
    weight = reader.tensor()
    _skip_aliases(reader)
    reader.integer()
    for _ in range(4):
        reader.number()
    return {"weight": weight.reshape(weight.shape[0], -1).T}


def _no_fields(_reader: _Reader) -> Fields:
    return {}


_FIELDS = {
    "con_4": _convolution,
    "affine_": _affine,
    "max_pool_2": _pooling,
    "avg_pool_2": _pooling,
    "fc_2": _dense,
    "relu_": _no_fields,
    "add_prev_": _no_fields,
}


class _Builder:
    """Builds the symbol, with each affine layer folded into the convolution before it, and collects its params."""

    def __init__(self, layers: list[Layer]):
        self.mx = import_mxnet()
        self.folded = list(self._fold(layers))
        self.params: dict[str, np.ndarray] = {}

    @staticmethod
    def _fold(layers: list[Layer]) -> Iterator[Fields]:
        for (kind, fields), (next_kind, affine) in zip(layers, [*layers[1:], ("", {})], strict=True):
            if kind == "con_4":
                if next_kind != "affine_":
                    raise FormatError("a convolution without its affine layer")
                gamma = affine["gamma"]
                yield {
                    **fields,
                    "weight": fields["weight"] * gamma[:, None, None, None],
                    "bias": fields["bias"] * gamma + affine["beta"],
                }

    def convolution(self, data: Symbol) -> Symbol:
        """Adds the next convolution in order."""
        number = sum(name.endswith("weight") for name in self.params)
        fields = self.folded[number]
        weight, bias = fields["weight"], fields["bias"]
        if number == 0:  # has no padding, so the scaling of the input folds in exactly
            weight = weight / 256.0
            bias = bias - (weight * np.reshape(CHANNEL_MEANS, (1, 3, 1, 1))).sum((1, 2, 3))
        name = f"conv{number}"
        self.params |= {f"{name}_weight": weight, f"{name}_bias": bias}
        return self.mx.sym.Convolution(
            data,
            name=name,
            num_filter=weight.shape[0],
            kernel=weight.shape[2:],
            stride=(fields["stride"],) * 2,
            pad=(fields["pad"],) * 2,
        )

    def relu(self, data: Symbol) -> Symbol:
        return self.mx.sym.Activation(data, act_type="relu")

    def block(self, data: Symbol, channels: int, size: int, *, filters: int, down: bool) -> tuple[Symbol, int, int]:
        """Adds a residual block on maps of `size` px. Returns its output, and the channels and size of that."""
        sym = self.mx.sym
        out = self.convolution(self.relu(self.convolution(data)))
        if not down:
            return self.relu(out + data), channels, size
        skip = sym.Pooling(data, pool_type="avg", kernel=(2, 2), stride=(2, 2))
        if filters > channels:
            skip = sym.concat(skip, sym.zeros_like(skip), dim=1)
        conv_size, skip_size = (size - 3) // 2 + 1, (size - 2) // 2 + 1
        if missing := skip_size - conv_size:  # dlib pads the smaller of the two, with zeros below and on the right
            out = sym.pad(out, mode="constant", pad_width=(0, 0, 0, 0, 0, missing, 0, missing))
        return self.relu(out + skip), filters, skip_size

    def network(self, dense: np.ndarray) -> Symbol:
        sym = self.mx.sym
        data = self.relu(self.convolution(sym.var("data")))
        data = sym.Pooling(data, pool_type="max", kernel=(3, 3), stride=(2, 2))
        channels, size = 32, 35
        for filters, down, blocks in STAGES:
            for _ in range(blocks):
                data, channels, size = self.block(data, channels, size, filters=filters, down=down)
        data = sym.Pooling(data, pool_type="avg", global_pool=True, kernel=(1, 1))
        self.params["fc_weight"] = dense
        return sym.FullyConnected(data, name="fc", num_hidden=dense.shape[0], no_bias=True, flatten=True)


def convert(source: Path, folder: Path, name: str = "embedder") -> list[str]:
    """Writes the converted net into `folder` and returns the file names. Raises FormatError.

    Its input is RGB, 0–255, (n, 3, 150, 150); its output is (n, 128), not of unit length. The caller must have checked the
    source's sha256.
    """
    layers = read_layers(source.read_bytes())
    builder = _Builder(layers)
    symbol = builder.network(layers[-1][1]["weight"])
    return save_net(symbol, builder.params, folder, name)
