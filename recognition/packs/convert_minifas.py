"""Converts minivision's Silent-Face-Anti-Spoofing nets (MiniFASNetV2 and MiniFASNetV1SE, Apache-2.0) to MXNet.

Both are chains of depthwise blocks; how many channels each layer has, and which blocks have a squeeze-and-excitation, the
weights say. Input: BGR, 0–255 as it is, 80x80. Output: the probabilities of (a picture, a real face, another kind of picture).
"""

from pathlib import Path

import numpy as np

from recognition.engine.graph.ir import Symbol
from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import import_mxnet, save_net
from recognition.packs.torch_file import read_weights

EPSILON = 1e-5  # PyTorch's, of a BatchNorm
CLASSES = 3
# The blocks between the stem and the head: name, how many, whether each is added to its input (the others halve the size).
STAGES = (
    ("conv_23", 1, False), ("conv_3", 4, True), ("conv_34", 1, False), ("conv_4", 6, True), ("conv_45", 1, False),
    ("conv_5", 2, True),
)  # fmt: skip


def convert(source: Path, folder: Path, net: str) -> list[str]:
    """Writes the net into `folder`, called `net`, and returns the file names. Raises PackError."""
    weights = {name.removeprefix("module."): values for name, values in read_weights(source).items()}
    try:
        builder = _Builder(weights)
        return save_net(builder.network(), builder.params, folder, net)
    except (KeyError, ValueError) as error:
        raise PackError(f"{source.name} does not hold the weights of a MiniFASNet: {error}.") from error


class _Builder:
    """Builds the symbol, with each BatchNorm folded into the layer before it, and collects its params."""

    def __init__(self, weights: dict[str, np.ndarray]):
        self.sym = import_mxnet().sym
        self.weights = weights
        self.params: dict[str, np.ndarray] = {}

    def network(self) -> Symbol:
        data = self._unit(self.sym.var("data"), "conv1", stride=2, pad=1)
        data = self._unit(data, "conv2_dw", pad=1)
        for name, count, residual in STAGES:
            for number in range(count):
                data = self._block(data, f"{name}.model.{number}" if residual else name, residual)
        data = self._unit(data, "conv_6_sep")
        data = self._unit(data, "conv_6_dw")
        return self.sym.softmax(self._dense(data), axis=1, name="probability")

    def _block(self, data: Symbol, name: str, residual: bool) -> Symbol:
        out = self._unit(data, f"{name}.conv")
        out = self._unit(out, f"{name}.conv_dw", stride=1 if residual else 2, pad=1)
        out = self._unit(out, f"{name}.project")
        if not residual:
            return out
        if f"{name}.se_module.fc1.weight" in self.weights:
            out = self._excited(out, f"{name}.se_module")
        return self.sym.elemwise_add(data, out, name=f"{_plain(name)}_sum")

    def _unit(self, data: Symbol, name: str, *, stride: int = 1, pad: int = 0) -> Symbol:
        """A convolution with its BatchNorm, and its PReLU if it has one."""
        out = self._convolution(data, f"{name}.conv", f"{name}.bn", stride=stride, pad=pad)
        slope = self.weights.get(f"{name}.prelu.weight")
        if slope is None:
            return out
        prelu = f"{_plain(name)}_prelu"
        self.params[f"{prelu}_gamma"] = slope
        return self.sym.LeakyReLU(out, name=prelu, act_type="prelu")

    def _excited(self, data: Symbol, name: str) -> Symbol:
        """Squeeze-and-excitation: each channel is weighed by what all channels are on average."""
        sym, plain = self.sym, _plain(name)
        share = sym.Pooling(data, name=f"{plain}_mean", global_pool=True, kernel=(1, 1), pool_type="avg")
        share = self._convolution(share, f"{name}.fc1", f"{name}.bn1")
        share = sym.Activation(share, name=f"{plain}_relu", act_type="relu")
        share = self._convolution(share, f"{name}.fc2", f"{name}.bn2")
        share = sym.Activation(share, name=f"{plain}_sigmoid", act_type="sigmoid")
        return sym.broadcast_mul(data, share, name=f"{plain}_weighed")

    def _convolution(self, data: Symbol, name: str, norm: str, *, stride: int = 1, pad: int = 0) -> Symbol:
        weight = self.weights[f"{name}.weight"]
        filters, of_each, *kernel = weight.shape
        scale, shift = self._norm(norm)
        plain = _plain(name)
        self.params |= {f"{plain}_weight": weight * scale[:, None, None, None], f"{plain}_bias": shift}
        return self.sym.Convolution(
            data,
            name=plain,
            num_filter=filters,
            num_group=filters if of_each == 1 else 1,
            kernel=tuple(kernel),
            stride=(stride,) * 2,
            pad=(pad,) * 2,
        )

    def _dense(self, data: Symbol) -> Symbol:
        """The last two layers with the BatchNorm between them, which are one."""
        scale, shift = self._norm("bn")
        last = self.weights["prob.weight"]
        if len(last) != CLASSES:
            raise ValueError(f"it tells {len(last)} classes apart, not {CLASSES}")
        weight = last @ (self.weights["linear.weight"] * scale[:, None])
        self.params |= {"prob_weight": weight, "prob_bias": last @ shift}
        return self.sym.FullyConnected(data, name="prob", num_hidden=CLASSES, flatten=True)

    def _norm(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A BatchNorm as a factor and a summand for each channel."""
        scale = self.weights[f"{name}.weight"] / np.sqrt(self.weights[f"{name}.running_var"] + EPSILON)
        return scale, self.weights[f"{name}.bias"] - self.weights[f"{name}.running_mean"] * scale


def _plain(name: str) -> str:
    return name.replace(".", "_")
