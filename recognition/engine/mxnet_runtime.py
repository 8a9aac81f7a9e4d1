"""The one module that imports MXNet: prepares its environment and devices, and runs nets as functions of numpy arrays."""

import ctypes
import os
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from recognition.engine import cpu
from recognition.engine.graph.cast_bfloat16 import bfloat16_params
from recognition.engine.graph.ir import Graph, Symbol
from recognition.engine.runnable import DeviceError, NetError

PLANS = 32  # how many input shapes a net keeps memory plans for
LARGE_NET = 10_000_000  # weights


def import_mxnet(*, threads: int = 1) -> ModuleType:
    """Imports MXNet and returns it. The first call in a process decides the number of compute threads."""
    cpu.prepare()
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    os.environ.setdefault("MXNET_SUBGRAPH_VERBOSE", "0")  # or it prints a line for every net
    if "mxnet" not in sys.modules:
        _limit_heap()
    if "bool" not in np.__dict__:
        setattr(np, "bool", bool)  # noqa: B010 - MXNet 1.9.1 uses this name, which numpy 1.24 dropped
    import mxnet

    return mxnet


def _limit_heap() -> None:
    """Keeps glibc from holding on to the memory of large photos: one arena, and large blocks mapped and returned.

    man 3 mallopt: M_ARENA_MAX -8, M_MMAP_THRESHOLD -3, M_TRIM_THRESHOLD -1.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for option, value in ((-8, 1), (-3, 1 << 20), (-1, 16 << 20)):
        if mallopt:
            mallopt(option, value)


def return_memory() -> None:
    """Returns free memory to the system: glibc would keep the hundreds of MB of nets that were compared and dropped."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def context(device: str) -> Any:
    """Returns MXNet's Context of "cpu", "gpu" or "gpu:N". Raises DeviceError: a missing GPU is never replaced by the CPU."""
    mx = import_mxnet()
    kind, _, number = device.partition(":")
    if kind == "cpu" and not number:
        return mx.cpu()
    if kind != "gpu" or not (number or "0").isdigit():
        raise DeviceError(f"There is no device “{device}”. Use cpu, gpu or gpu:1.")
    if not mx.runtime.Features().is_enabled("CUDA"):
        raise DeviceError(
            f"The device {device} cannot be used: the installed MXNet is built for CPUs only. Install a CUDA build "
            "(a package mxnet-cu…, same version), or set FACEPLATFORM_DEVICE=cpu."
        )
    if int(number or 0) >= mx.context.num_gpus():
        raise DeviceError(
            f"The device {device} cannot be used: MXNet sees {mx.context.num_gpus()} GPUs. Check the driver "
            "(nvidia-smi), or set FACEPLATFORM_DEVICE=cpu."
        )
    return mx.gpu(int(number or 0))


class Net:
    """A graph that is ready to run on one device.

    Memory is planned once for each input shape, and the plans of the last `plans` shapes are kept. With `fused`, sums and
    ReLUs are joined to the convolutions before them, at the price of a copy of all weights in each plan. Large nets in
    bfloat16 gain only one per cent from that, so they are not fused.
    """

    def __init__(self, graph: Graph, *, device: str = "cpu", fused: bool = True):
        self._mx = mx = import_mxnet()
        self._context = context(device)
        symbol = graph.to_symbol(mx)
        self.weights = sum(array.size for array in graph.params.values())
        bfloat16 = bfloat16_params(graph)
        if fused and device == "cpu" and (self.weights <= LARGE_NET or not bfloat16):
            symbol = symbol.get_backend_symbol("MKLDNN")
        self._symbol = symbol
        self._inputs = symbol.list_inputs()
        self._params = {
            name: self._array(graph.params[name], name in bfloat16) for name in self._inputs if name != "data"
        }
        self.plans = PLANS
        self._plans: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        """Runs the net on a batch, float32 (n, channels, height, width), and returns its outputs, float32. Raises NetError.

        The batch must not be changed afterwards: MXNet reads it without a copy.
        """
        data = self._mx.nd.from_numpy(np.ascontiguousarray(batch, "float32"), zero_copy=True)
        if self._context != self._mx.cpu():
            data = data.as_in_context(self._context)
        try:
            out = self._plan(batch.shape)(*[data if name == "data" else self._params[name] for name in self._inputs])
            return [array.asnumpy() for array in (out if isinstance(out, list) else [out])]
        except self._mx.MXNetError as error:
            raise NetError(str(error).strip().splitlines()[-1][:200]) from error

    def _plan(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._plans:
            flags = [("static_alloc", True), ("static_shape", True)]
            self._plans[shape] = self._mx.nd.CachedOp(self._symbol, flags)
            if len(self._plans) > self.plans:
                self._plans.popitem(last=False)
        self._plans.move_to_end(shape)
        return self._plans[shape]

    def _array(self, values: np.ndarray, bfloat16: bool) -> Any:
        array = self._mx.nd.array(values, ctx=self._context, dtype="float32")
        return self._mx.nd.amp_cast(array, dtype="bfloat16") if bfloat16 else array


def load_graph(symbol_path: Path, params_path: Path) -> Graph:
    """Reads a net of an installed pack, whose sha256 the caller has checked. Raises ValueError if the files do not match."""
    mx = import_mxnet()
    symbol = mx.sym.load(str(symbol_path))
    params = {name.partition(":")[2]: array.asnumpy() for name, array in mx.nd.load(str(params_path)).items()}
    if set(symbol.list_inputs()) - {"data"} != set(params):
        raise ValueError(f"{params_path} does not hold the parameters of {symbol_path}")
    return Graph.from_symbol(symbol, params)


def save_net(symbol: Symbol, params: dict[str, np.ndarray], folder: Path, name: str) -> list[str]:
    """Writes NAME-symbol.json and NAME-0000.params in MXNet's own format. Returns the file names."""
    mx = import_mxnet()
    files = [f"{name}-symbol.json", f"{name}-0000.params"]
    symbol.save(str(folder / files[0]))
    auxiliary = set(symbol.list_auxiliary_states())
    arrays = {
        f"{'aux' if key in auxiliary else 'arg'}:{key}": mx.nd.array(value, dtype="float32")
        for key, value in params.items()
    }
    mx.nd.save(str(folder / files[1]), arrays)
    return files
