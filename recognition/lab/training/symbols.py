"""The networks of the InsightFace family as MXNet symbols. Layers have the names of the published model zoo.

Sources: Deng et al., ArcFace (CVPR 2019): LResNet…E-IR; Chen et al., MobileFaceNets (2018), in the y1 form. Input: RGB
0–255, (n, 3, 112, 112), float32; mean and scale are in the symbol. Output: fc1_output, (n, dim), not normalised.
"""

from types import ModuleType
from typing import Any

import numpy as np

from recognition.engine.mxnet_runtime import import_mxnet

Symbol = Any
"""An mxnet.sym.Symbol; MXNet comes without types."""
CHIP_SIZE = 112
BATCHNORM = {"fix_gamma": False, "eps": 2e-5, "momentum": 0.9}
RESNET_UNITS = {"r18": (2, 2, 2, 2), "r34": (3, 4, 6, 3), "r50": (3, 4, 14, 3), "r100": (3, 13, 30, 3)}
RESNET_FILTERS = (64, 128, 256, 512)
# MobileFaceNet. Each stage: the block that halves the image (filters, expanded filters), then its residual blocks
# (filters, expanded filters, count).
MOBILE_STAGES = (((64, 128), (64, 128, 4)), ((128, 256), (128, 256, 6)), ((128, 512), (128, 256, 2)))


def network(name: str, dim: int = 512, width: float = 1.0) -> Symbol:
    """The symbol of r18, r34, r50, r100 or mbf.

    width: scales mbf's numbers of filters, rounded down to multiples of 8. Raises KeyError.
    """
    if name == "mbf":
        return _mobilefacenet(dim, width)
    return _resnet(RESNET_UNITS[name], dim)


def seeded_params(
    symbol: Symbol, *, seed: int = 0, input_shape: tuple[int, ...] = (1, 3, CHIP_SIZE, CHIP_SIZE)
) -> dict[str, np.ndarray]:
    """Random params that keep activations in range, for tests and benchmarks of nets without available weights."""
    random = np.random.default_rng(seed)
    args, _, auxiliary = symbol.infer_shape(data=input_shape)
    shapes = dict(zip(symbol.list_arguments(), args, strict=True))
    shapes |= dict(zip(symbol.list_auxiliary_states(), auxiliary, strict=True))
    del shapes["data"]
    return {name: _random_param(random, name, shape).astype("float32") for name, shape in shapes.items()}


def _random_param(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    kind = name.rpartition("_")[2]
    if kind == "weight":
        return random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
    if kind == "gamma" and "relu" in name:  # a PReLU's slope
        return random.uniform(0.05, 0.5, shape)
    if name.endswith("bn3_gamma"):  # ends a residual branch; kept small, since up to a hundred branches are added up
        return random.uniform(0.1, 0.4, shape)
    if kind == "gamma":
        return random.uniform(0.5, 1.2, shape)
    if kind == "var":
        return random.uniform(0.6, 1.4, shape)
    return random.normal(0, 0.2, shape)


# --- LResNet-E-IR ---
def _resnet(units: tuple[int, ...], dim: int) -> Symbol:
    sym = import_mxnet().sym
    body = _normalised(sym)
    body = sym.Convolution(body, num_filter=64, kernel=(3, 3), stride=(1, 1), pad=(1, 1), no_bias=True, name="conv0")
    body = sym.BatchNorm(body, name="bn0", **BATCHNORM)
    body = sym.LeakyReLU(body, act_type="prelu", name="relu0")
    for stage, (filters, count) in enumerate(zip(RESNET_FILTERS, units, strict=True), 1):
        for unit in range(1, count + 1):
            body = _unit(sym, body, filters, first=unit == 1, name=f"stage{stage}_unit{unit}")
    body = sym.BatchNorm(body, name="bn1", **BATCHNORM)
    body = sym.Dropout(body, p=0.4)
    return _embedding(sym, body, dim)


def _unit(sym: ModuleType, data: Symbol, filters: int, *, first: bool, name: str) -> Symbol:
    """The improved residual unit: BN, conv, BN, PReLU, conv, BN. The first unit of a stage halves the image."""
    stride = (2, 2) if first else (1, 1)
    same = {"num_filter": filters, "kernel": (3, 3), "pad": (1, 1), "no_bias": True}
    out = sym.BatchNorm(data, name=f"{name}_bn1", **BATCHNORM)
    out = sym.Convolution(out, stride=(1, 1), name=f"{name}_conv1", **same)
    out = sym.BatchNorm(out, name=f"{name}_bn2", **BATCHNORM)
    out = sym.LeakyReLU(out, act_type="prelu", name=f"{name}_relu1")
    out = sym.Convolution(out, stride=stride, name=f"{name}_conv2", **same)
    out = sym.BatchNorm(out, name=f"{name}_bn3", **BATCHNORM)
    if not first:
        return out + data
    skip = sym.Convolution(data, num_filter=filters, kernel=(1, 1), stride=stride, no_bias=True, name=f"{name}_conv1sc")
    return out + sym.BatchNorm(skip, name=f"{name}_sc", **BATCHNORM)


# --- MobileFaceNet ---
def _mobilefacenet(dim: int, width: float) -> Symbol:
    def scaled(filters: int) -> int:
        return max(int(filters * width) // 8 * 8, 8)

    sym = import_mxnet().sym
    body = _conv(sym, _normalised(sym), scaled(64), "conv_1", kernel=3, stride=2)
    body = _conv(sym, body, scaled(64), "conv_2_dw", kernel=3, groups=scaled(64))
    for number, ((filters, expanded), (same, wide, count)) in enumerate(MOBILE_STAGES, 2):
        body = _bottleneck(sym, body, scaled(filters), scaled(expanded), f"dconv_{number}{number + 1}", stride=2)
        for block in range(count):
            body = body + _bottleneck(sym, body, scaled(same), scaled(wide), f"res_{number + 1}_block{block}", stride=1)
    body = _conv(sym, body, scaled(512), "conv_6sep")
    body = _conv(sym, body, scaled(512), "conv_6dw7_7", kernel=7, pad=0, groups=scaled(512), linear=True)
    return _embedding(sym, body, dim)


def _bottleneck(sym: ModuleType, data: Symbol, filters: int, expanded: int, name: str, *, stride: int) -> Symbol:
    data = _conv(sym, data, expanded, f"{name}_conv_sep")
    data = _conv(sym, data, expanded, f"{name}_conv_dw", kernel=3, stride=stride, groups=expanded)
    return _conv(sym, data, filters, f"{name}_conv_proj", linear=True)


def _conv(
    sym: ModuleType,
    data: Symbol,
    filters: int,
    name: str,
    *,
    kernel: int = 1,
    stride: int = 1,
    pad: int | None = None,
    groups: int = 1,
    linear: bool = False,
) -> Symbol:
    out = sym.Convolution(
        data,
        num_filter=filters,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pad=(kernel // 2 if pad is None else pad,) * 2,
        num_group=groups,
        no_bias=True,
        name=f"{name}_conv2d",
    )
    out = sym.BatchNorm(out, name=f"{name}_batchnorm", **BATCHNORM)
    return out if linear else sym.LeakyReLU(out, act_type="prelu", name=f"{name}_relu")


# --- Both ---
def _normalised(sym: ModuleType) -> Symbol:
    return (sym.identity(sym.var("data"), name="id") - 127.5) * 0.0078125


def _embedding(sym: ModuleType, data: Symbol, dim: int) -> Symbol:
    out = sym.FullyConnected(data, num_hidden=dim, name="pre_fc1")
    return sym.BatchNorm(out, fix_gamma=True, eps=2e-5, momentum=0.9, name="fc1")
