"""Picks the fastest form of a published net that still computes the same on this machine, checked before it is used."""

import time
from dataclasses import dataclass, field

import numpy as np

from recognition.engine import cpu
from recognition.engine.graph.fold_batchnorm import fold_dense_batchnorm
from recognition.engine.graph.ir import Graph
from recognition.engine.graph.passes import Precision, rewrite
from recognition.engine.mxnet_runtime import DeviceError, Net, NetError

PRECISIONS = ("auto", "fp32", "bf16")
# A fast net is accepted if the cosine between its outputs and the published net's, on drawn faces, is at least this.
LEAST_COSINE = {"fp32": 0.999999, "bf16": 0.998}
LEAST_SPEEDUP = 1.15  # without AMX, bfloat16 is used if it is at least this many times as fast as float32
TRIALS = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """Which form of a net runs, and why.

    precision: fp32 or bf16. cosine: the lowest between its outputs and the published net's. report: pass → what it did.
    """

    precision: Precision
    why: str
    cosine: float
    report: dict[str, str] = field(default_factory=dict)


def choose_net(
    graph: Graph, probe: np.ndarray, *, device: str = "cpu", precision: str = "auto", bfloat16: bool = True
) -> tuple[Net, Choice]:
    """Returns the net to use, and what was chosen.

    probe: a batch in the form the net takes, on which each candidate is compared with the published net. bfloat16: False
    if this net is never to run in it. Raises DeviceError if the device is missing or cannot compute `precision`.
    """
    plain = graph.copy()
    fold_dense_batchnorm(plain)
    published = Net(plain, device=device, fused=False)
    if device != "cpu":
        return published, Choice("fp32", f"on {device}, as published", 1.0)
    expected = published(probe)
    nets = _RewrittenNets(graph)
    refused = []
    for candidate, why in _candidates(nets, probe, precision, bfloat16):
        try:
            net, report = nets[candidate]
            cosine = least_cosine(net(probe), expected)
        except NetError as error:
            refused.append(f"{candidate} refused: {error}")
            continue
        if cosine >= LEAST_COSINE[candidate]:
            return net, Choice(candidate, "; ".join([why, *refused]), cosine, report)
        refused.append(f"{candidate} refused: cosine {cosine:.7f} to the published net")
    return published, Choice("fp32", "; ".join([*refused, "as published"]), 1.0)


class _RewrittenNets(dict[Precision, tuple[Net, dict[str, str]]]):
    """precision → (net, report), each made when it is first asked for."""

    def __init__(self, graph: Graph):
        super().__init__()
        self.graph = graph

    def __missing__(self, precision: Precision) -> tuple[Net, dict[str, str]]:
        rewritten = rewrite(self.graph, precision, amx=cpu.prepare().amx)
        self[precision] = Net(rewritten.graph), rewritten.report
        return self[precision]


def least_cosine(outputs: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The lowest cosine between corresponding rows of two nets' outputs; NaN counts as -1."""
    least = 1.0
    for output, reference in zip(outputs, expected, strict=True):
        a, b = (array.reshape(len(array), -1).astype("float64") for array in (output, reference))
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosines = np.divide((a * b).sum(1), norms, out=(a == b).all(1).astype("float64"), where=norms > 0)
        least = min(least, float(np.nan_to_num(cosines, nan=-1.0).min()))
    return least


def _candidates(nets: _RewrittenNets, probe: np.ndarray, precision: str, bfloat16: bool) -> list[tuple[Precision, str]]:
    """The precisions to try, best first, each with the reason."""
    processor = cpu.prepare()
    if precision == "fp32":
        return [("fp32", "FACEPLATFORM_PRECISION=fp32")]
    if precision == "bf16" and processor.bfloat16 == "none":
        raise DeviceError(
            f"This processor ({processor.name}) cannot compute bfloat16: it has no AVX-512, or DNNL_MAX_CPU_ISA switches "
            "it off. Set FACEPLATFORM_PRECISION=auto or fp32 instead of bf16."
        )
    if not bfloat16:
        return [("fp32", "this net gains nothing from bfloat16")]
    if precision == "bf16":
        emulated = ", emulated by this processor" if processor.bfloat16 == "emulated" else ""
        return [("bf16", f"FACEPLATFORM_PRECISION=bf16{emulated}"), ("fp32", processor.note)]
    if processor.bfloat16 != "native":
        return [("fp32", f"{processor.note}, no AVX512-BF16")]
    if processor.amx:
        return [("bf16", processor.note), ("fp32", processor.note)]
    try:
        speedup = _bfloat16_speedup(nets, probe)
    except NetError as error:
        return [("fp32", f"{processor.note}, bf16 refused: {error}")]
    measured = f"{processor.note}, AVX512-BF16 measured {speedup:.2f}x as fast as fp32"
    return [("bf16", measured), ("fp32", measured)] if speedup >= LEAST_SPEEDUP else [("fp32", measured)]


def _bfloat16_speedup(nets: _RewrittenNets, probe: np.ndarray) -> float:
    """How many times as fast as float32 bfloat16 is here, from the best of several alternating runs.

    Measured in processor time, because workers start while others are busy.
    """
    pair = [nets["fp32"][0], nets["bf16"][0]]
    best = [float("inf")] * 2
    for trial in range(TRIALS + 1):
        for number, net in enumerate(pair):
            start = time.process_time()
            net(probe)
            if trial:  # the first run plans memory and prepares weights
                best[number] = min(best[number], time.process_time() - start)
    return best[0] / best[1]
