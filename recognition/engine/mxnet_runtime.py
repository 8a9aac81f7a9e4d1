"""The one place that imports MXNet: its environment, the numpy shim, and nets as plain functions of numpy arrays."""

import os
from pathlib import Path

import numpy as np


def import_mxnet(*, threads: int = 1):
    """Imports MXNet with `threads` compute threads. The first call in a process decides their number."""
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    if "bool" not in np.__dict__:
        np.bool = bool  # MXNet 1.9.1 uses a name numpy dropped in 1.24
    import mxnet

    return mxnet


class Net:
    """A symbol with its params.

    fixed_shapes: memory is planned once for each input shape and kept – for nets that meet a few batch sizes. Otherwise
    it is planned at each call, which costs next to nothing and keeps nothing, for nets that meet any size.
    """

    def __init__(self, symbol_path: Path, params_path: Path, *, threads: int = 1, fixed_shapes: bool = True):
        self._mx = mx = import_mxnet(threads=threads)
        self._symbol = mx.sym.load(str(symbol_path))
        params = {name.partition(":")[2]: array for name, array in mx.nd.load(str(params_path)).items()}
        inputs = self._symbol.list_inputs()
        if inputs[0] != "data" or set(inputs[1:]) != set(params):
            raise ValueError(f"{params_path} does not hold the params of {symbol_path}")
        self._params = [params[name] for name in inputs[1:]]
        self._fixed_shapes = fixed_shapes
        self._plans: dict[tuple[int, ...] | None, object] = {}

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        """batch: float32 (n, channels, height, width). Returns the net's outputs, float32, n rows each."""
        out = self._plan(batch.shape)(self._mx.nd.array(batch, dtype="float32"), *self._params)
        return [array.asnumpy() for array in (out if isinstance(out, list) else [out])]

    def _plan(self, shape: tuple[int, ...]):
        key = shape if self._fixed_shapes else None
        if key not in self._plans:
            flags = [("static_alloc", True), ("static_shape", True)] if self._fixed_shapes else []
            self._plans[key] = self._mx.nd.CachedOp(self._symbol, flags)
        return self._plans[key]


def save_net(symbol, params: dict[str, np.ndarray], folder: Path, name: str) -> list[str]:
    """Writes NAME-symbol.json and NAME-0000.params in MXNet's own format. Returns the file names."""
    mx = import_mxnet()
    files = [f"{name}-symbol.json", f"{name}-0000.params"]
    symbol.save(str(folder / files[0]))
    arrays = {f"arg:{key}": mx.nd.array(value, dtype="float32") for key, value in params.items()}
    mx.nd.save(str(folder / files[1]), arrays)
    return files
