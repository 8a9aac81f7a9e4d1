"""The one module that imports OpenVINO, the optional second runtime: compiles graphs and runs them on numpy arrays."""

import hashlib
import io
import json
import resource
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from recognition.engine import cpu
from recognition.engine.compiled_models import CompiledModels
from recognition.engine.export_onnx import onnx_bytes
from recognition.engine.graph.ir import Graph
from recognition.engine.graph.passes import Precision
from recognition.engine.runnable import DeviceError, NetError

OVERCOMMIT = Path("/proc/sys/vm/overcommit_memory")
HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVino:
    """OpenVINO as it is to run nets in this process. required: whether it is used where MXNet would be faster, too.

    threads: for computing. cache_dir: for compiled models; none are kept without it. Raises DeviceError if it is missing.
    """

    def __init__(self, *, required: bool = False, threads: int = 1, cache_dir: Path | None = None):
        try:
            openvino = _import_openvino()
        except ImportError as error:
            raise DeviceError(
                "FACEPLATFORM_RUNTIME=openvino needs OpenVINO, which is not installed. Install it with pip install -r "
                "requirements-openvino.txt, or set FACEPLATFORM_RUNTIME=auto or mxnet."
            ) from error

        self.required = required
        self._core = openvino.Core()
        self._version = openvino.get_version()
        self._hints = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # with pinning, all processes would share the first core
        }
        self._cache = CompiledModels(cache_dir) if cache_dir else None

    def compile(self, graph: Graph, shape: tuple[int | str, ...], precision: Precision) -> "OpenVinoNet":
        """Compiles a graph for an input of `shape`, where a string names a dimension of any size. Raises NetError."""
        if precision == "bf16" and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise NetError("OpenVINO does not compute bfloat16 on this processor")
        hints = self._hints | {"INFERENCE_PRECISION_HINT": HINTS[precision]}
        key = self._key(graph, shape, hints)
        try:
            model = self._kept(key, hints)
            if model is None:
                model = self._core.compile_model(self._core.read_model(onnx_bytes(graph, data=shape)), "CPU", hints)
                self._keep(key, model)
            return OpenVinoNet(model, sum(array.size for array in graph.params.values()))
        except (KeyError, RuntimeError) as error:  # an operator that is not exported, or one that OpenVINO refuses
            raise NetError(_last_line(error)) from error

    def recall_speedup(self, graph: Graph, *about: Any) -> float | None:
        """What remember_speedup was given for the same; None if nothing was."""
        kept = self._cache and self._cache.read(self._key(graph, "speedup", *about))
        return float(kept) if kept else None

    def remember_speedup(self, graph: Graph, ratio: float, *about: Any) -> None:
        """Keeps how fast a graph is here, compared with MXNet, so that the next start need not measure it again."""
        if self._cache:
            self._cache.write(self._key(graph, "speedup", *about), str(ratio).encode())

    def _key(self, graph: Graph, *about: Any) -> str:
        processor = cpu.prepare()
        about = (self._version, processor.name, processor.note, processor.bfloat16, self._hints, *about)
        digest = hashlib.sha256(json.dumps([about, graph.content()]).encode())
        for name in sorted(graph.params):
            digest.update(f"{name} {graph.params[name].shape} {graph.params[name].dtype}".encode())
            digest.update(np.ascontiguousarray(graph.params[name]).data)
        return digest.hexdigest()

    def _kept(self, key: str, hints: dict[str, Any]) -> Any:
        """The compiled model from the cache; None if it is not there or OpenVINO does not take it."""
        blob = self._cache and self._cache.read(key)
        if not blob:
            return None
        try:
            return self._core.import_model(io.BytesIO(blob), "CPU", hints)
        except RuntimeError:
            return None

    def _keep(self, key: str, model: Any) -> None:
        if self._cache:
            self._cache.write(key, model.export_model().getvalue())


class OpenVinoNet:
    """A compiled graph; see RunnableNet. OpenVINO plans memory by itself, so `plans` means nothing to it."""

    def __init__(self, model: Any, weights: int):
        self.weights = weights
        self.plans = 0
        self._request = model.create_infer_request()

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        """See RunnableNet."""
        self._mark()
        try:
            # Sharing has to be the same in every call: a tensor that was shared cannot take a larger batch by copy.
            results = self._request.infer({0: np.ascontiguousarray(batch, "float32")}, share_inputs=True)
        except RuntimeError as error:
            raise NetError(_last_line(error)) from error
        outputs = list(results.values())
        if any(len(output) != len(batch) or np.isnan(_ends(output)).any() for output in outputs):
            raise NetError("OpenVINO gave earlier results again, as it does when there is not enough memory")
        return outputs

    def _mark(self) -> None:
        """Marks the earlier results. Where memory is refused, OpenVINO 2026.4 returns them again and raises nothing."""
        for tensor in self._request.output_tensors:
            _ends(tensor.data)[:] = np.nan


def _ends(values: np.ndarray) -> np.ndarray:
    """The first and the last value, as a view."""
    return values.reshape(-1)[:: max(1, values.size - 1)]


def refuses_memory() -> str:
    """Why this system may refuse a process memory instead of ending it; empty if it does not."""
    for name, limit in (("ulimit -v", resource.RLIMIT_AS), ("ulimit -d", resource.RLIMIT_DATA)):
        if resource.getrlimit(limit)[0] != resource.RLIM_INFINITY:
            return f"{name} limits memory"
    if OVERCOMMIT.exists() and OVERCOMMIT.read_text().strip() == "2":
        return "vm.overcommit_memory is 2"
    return ""


def _import_openvino() -> ModuleType:
    """Imports OpenVINO without the package that would report to its makers what its tools are used for."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # None: it cannot be imported
    import openvino

    return openvino


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
