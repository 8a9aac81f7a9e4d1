"""Runs one runtime on one case in a process of its own: python -m recognition.lab.bench.runner JSON

It reports when it is ready. Then, for each line it reads, it works for that many seconds and reports what it did.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

Run = Callable[[np.ndarray], Sequence[np.ndarray]]
"""A net, ready to run: batch → outputs."""
RUNTIMES = ("auto", "mxnet", "mxnet-fp32", "mxnet-stock", "ort", "openvino-bf16", "openvino-fp32")


def main() -> None:
    job = json.loads(sys.argv[1])
    nets = {"auto": _mxnet, "mxnet": _mxnet, "ort": _ort, "openvino": _openvino}[job["runtime"].partition("-")[0]](job)
    inputs = dict(np.load(job["inputs"]))
    outputs = [np.asarray(output) for net, batch in inputs.items() for output in nets[net](batch)]
    if job.get("outputs"):
        np.savez(job["outputs"], *outputs)
    _reply({"ready": True, "note": job.get("note", "")})
    for line in sys.stdin:
        _reply(_run_for(nets, inputs, float(line)))


def _run_for(nets: Mapping[str, Run], inputs: dict[str, np.ndarray], seconds: float) -> dict:
    calls, start, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        for net, batch in inputs.items():
            nets[net](batch)
        calls += 1
    return {
        "calls": calls,
        "wall": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "rss_mb": _resident_megabytes(),
    }


def _resident_megabytes() -> int:
    """What the process holds now. Its peak would include memory that was only needed while loading the weights."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


def _reply(content: dict) -> None:
    print(json.dumps(content), flush=True)


def _mxnet(job: dict) -> dict[str, Run]:
    from recognition.engine.choose_net import choose_net
    from recognition.engine.graph.fold_batchnorm import fold_dense_batchnorm
    from recognition.engine.mxnet_runtime import Net, return_memory
    from recognition.engine.openvino_runtime import OpenVino
    from recognition.lab.bench.cases import CASES

    case = CASES[job["case"]]
    inputs = dict(np.load(job["inputs"]))
    openvino = OpenVino() if job["runtime"] == "auto" else None
    nets: dict[str, Run] = {}
    notes = []
    for name, graph in case.graphs(Path(job["models_dir"])).items():
        if job["runtime"] == "mxnet-stock":
            fold_dense_batchnorm(graph)
            nets[name] = Net(graph, fused=False)
            continue
        precision = "fp32" if job["runtime"] == "mxnet-fp32" else "auto"
        nets[name], choice = choose_net(
            graph, inputs[name], precision=precision, bfloat16=case.bfloat16, openvino=openvino
        )
        notes.append(f"{choice.precision} in {choice.runtime}: {choice.why}")
    del graph
    return_memory()
    job["note"] = "; ".join(dict.fromkeys(notes))
    return nets


def _ort(job: dict) -> dict[str, Run]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    sessions = {
        net: onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for net, path in job["onnx"].items()
    }

    def runner(session: onnxruntime.InferenceSession) -> Run:
        return lambda batch: session.run(None, {"data": batch})

    return {net: runner(session) for net, session in sessions.items()}


def _openvino(job: dict) -> dict[str, Run]:
    import openvino

    core = openvino.Core()
    hints = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # with pinning, all processes would share the first core
        "INFERENCE_PRECISION_HINT": {"bf16": "bf16", "fp32": "f32"}[job["runtime"].partition("-")[2]],
    }
    requests = {net: core.compile_model(path, "CPU", hints).create_infer_request() for net, path in job["onnx"].items()}

    def runner(request: openvino.InferRequest) -> Run:
        return lambda batch: list(request.infer({0: batch}).values())

    return {net: runner(request) for net, request in requests.items()}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
