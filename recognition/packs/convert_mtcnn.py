"""Converts MTCNN (Zhang et al. 2016; weights by kpzhang93, MIT, as in the package mtcnn 1.0.0) to three MXNet nets.

Each file is a joblib list of arrays in Keras order: kernel, bias and PReLU slope of each layer, then the heads: box,
[landmarks,] class.
"""

from pathlib import Path

import joblib
import numpy as np

from recognition.engine.graph.ir import Symbol
from recognition.engine.mxnet_runtime import import_mxnet, save_net

Params = dict[str, np.ndarray]

# Max pooling after each convolution: (kernel, stride), or None.
POOLS = {"pnet": [(2, 2), None, None], "rnet": [(3, 2), (3, 2), None], "onet": [(3, 2), (3, 2), (2, 2), None]}
HEADS = {"pnet": ["box", "class"], "rnet": ["box", "class"], "onet": ["box", "landmarks", "class"]}


def convert(sources: dict[str, Path], folder: Path) -> list[str]:
    """Writes pnet, rnet and onet into `folder` and returns the file names. sources: pnet, rnet and onet → file.

    Their input is RGB, (x - 127.5) / 128; their outputs are in the order of HEADS, class as the probability of a face.
    joblib unpickles the sources, so the caller must have checked their sha256.
    """
    files = []
    for net in POOLS:
        weights = [np.asarray(array, "float32") for array in joblib.load(sources[net])]
        symbol, params = _network(net, weights)
        files += save_net(symbol, params, folder, net)
    return files


def _network(net: str, weights: list[np.ndarray]) -> tuple[Symbol, Params]:
    sym = import_mxnet().sym
    params: Params = {}
    data = sym.var("data")
    for number, pool in enumerate(POOLS[net]):
        kernel, bias, slope = weights[3 * number : 3 * number + 3]
        data = _convolution(params, data, f"conv{number}", kernel, bias)
        data = _prelu(params, data, f"prelu{number}", slope)
        if pool:
            size, stride = pool
            data = sym.Pooling(
                data, pool_type="max", kernel=(size, size), stride=(stride, stride), pooling_convention="full"
            )
    rest = weights[3 * len(POOLS[net]) :]
    channels = kernel.shape[-1]
    if net != "pnet":
        kernel, bias, slope, *rest = rest
        data = _first_dense(params, data, kernel, bias, channels)
        data = _prelu(params, data, "prelu_dense", slope)
    heads = [_head(params, data, name, *rest[2 * i : 2 * i + 2]) for i, name in enumerate(HEADS[net])]
    heads[-1] = sym.slice_axis(sym.softmax(heads[-1], axis=1), axis=1, begin=1, end=2)
    return sym.Group(heads), params


def _convolution(params: Params, data: Symbol, name: str, kernel: np.ndarray, bias: np.ndarray) -> Symbol:
    params |= {f"{name}_weight": kernel.transpose(3, 2, 0, 1), f"{name}_bias": bias}
    return import_mxnet().sym.Convolution(data, name=name, num_filter=kernel.shape[3], kernel=kernel.shape[:2])


def _prelu(params: Params, data: Symbol, name: str, slope: np.ndarray) -> Symbol:
    params[f"{name}_gamma"] = slope.ravel()
    return import_mxnet().sym.LeakyReLU(data, name=name, act_type="prelu")


def _first_dense(params: Params, data: Symbol, kernel: np.ndarray, bias: np.ndarray, channels: int) -> Symbol:
    """Reorders the weights: Keras flattens (columns, rows, channels) of these nets, MXNet (channels, rows, columns)."""
    weight = kernel.reshape(3, 3, channels, -1).transpose(3, 2, 1, 0).reshape(kernel.shape[1], -1)
    return _dense(params, data, "dense", weight, bias)


def _head(params: Params, data: Symbol, name: str, kernel: np.ndarray, bias: np.ndarray) -> Symbol:
    if kernel.ndim == 4:
        return _convolution(params, data, name, kernel, bias)
    return _dense(params, data, name, kernel.T, bias)


def _dense(params: Params, data: Symbol, name: str, weight: np.ndarray, bias: np.ndarray) -> Symbol:
    params |= {f"{name}_weight": weight, f"{name}_bias": bias}
    return import_mxnet().sym.FullyConnected(data, name=name, num_hidden=weight.shape[0], flatten=True)
