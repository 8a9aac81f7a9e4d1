"""The forms a net can run in: rewritten in MXNet or compiled by OpenVINO, each in float32 or bfloat16."""

import time
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np

from recognition.engine import cpu
from recognition.engine.graph.ir import Graph
from recognition.engine.graph.passes import Precision, rewrite
from recognition.engine.mxnet_runtime import Net
from recognition.engine.openvino_runtime import OpenVino
from recognition.engine.runnable import DeviceError, NetError, RunnableNet

LEAST_SPEEDUP = 1.15  # without AMX, bfloat16 is used if it is at least this many times as fast as float32
TRIALS = 8

UseBfloat16 = Literal["auto", "asked", "never"]
"""Where a net may run in bfloat16: where that is faster; only where FACEPLATFORM_PRECISION=bf16 asks for it; nowhere."""

Form = tuple[RunnableNet, dict[str, str]]
"""A net ready to run, and what was done to it: pass → outcome."""


class Forms(Protocol):
    """One runtime's forms of a net, each made when it is first asked for. Asking raises NetError if it cannot be made."""

    runtime: ClassVar[str]

    def __getitem__(self, precision: Precision) -> Form: ...


class RewrittenForms(dict[Precision, Form]):
    """MXNet's."""

    runtime: ClassVar[str] = "mxnet"

    def __init__(self, graph: Graph):
        super().__init__()
        self.graph = graph

    def __missing__(self, precision: Precision) -> Form:
        rewritten = rewrite(self.graph, precision, amx=cpu.prepare().amx)
        self[precision] = Net(rewritten.graph), rewritten.report
        return self[precision]


class CompiledForms(dict[Precision, Form]):
    """OpenVINO's. shape: of the input, where a string names a dimension of any size."""

    runtime: ClassVar[str] = "openvino"

    def __init__(self, graph: Graph, shape: tuple[int | str, ...], openvino: OpenVino):
        super().__init__()
        self.graph, self.shape, self.openvino = graph, shape, openvino

    def __missing__(self, precision: Precision) -> Form:
        self[precision] = self.openvino.compile(self.graph, self.shape, precision), {}
        return self[precision]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A precision to try, and why."""

    precision: Precision
    why: str


def check_precision(precision: str) -> None:
    """Raises DeviceError if this processor cannot compute it."""
    processor = cpu.prepare()
    if precision == "bf16" and processor.bfloat16 == "none":
        raise DeviceError(
            f"This processor ({processor.name}) cannot compute bfloat16: it has no AVX-512, or DNNL_MAX_CPU_ISA switches "
            "it off. Set FACEPLATFORM_PRECISION=auto or fp32 instead of bf16."
        )


def candidates(forms: Forms, probe: np.ndarray, precision: str, bfloat16: UseBfloat16) -> list[Candidate]:
    """The precisions to try, best first. bfloat16: see UseBfloat16."""
    processor = cpu.prepare()
    if precision == "fp32":
        return [Candidate("fp32", "FACEPLATFORM_PRECISION=fp32")]
    if bfloat16 == "never":
        return [Candidate("fp32", "this net is never run in bfloat16")]
    if bfloat16 == "asked" and forms.runtime == "mxnet":
        return [Candidate("fp32", "this net gains nothing from bfloat16 in MXNet")]
    if bfloat16 == "asked" and precision != "bf16":
        return [Candidate("fp32", "bfloat16 only if FACEPLATFORM_PRECISION asks for it")]
    if precision == "bf16":
        emulated = ", emulated by this processor" if processor.bfloat16 == "emulated" else ""
        return [Candidate("bf16", f"FACEPLATFORM_PRECISION=bf16{emulated}"), Candidate("fp32", processor.note)]
    if processor.bfloat16 != "native":
        return [Candidate("fp32", f"{processor.note}, no AVX512-BF16")]
    if processor.amx:
        return [Candidate("bf16", processor.note), Candidate("fp32", processor.note)]
    try:
        speedup = _bfloat16_speedup(forms, probe)
    except NetError as error:
        return [Candidate("fp32", f"{processor.note}, bf16 refused: {error}")]
    measured = f"{processor.note}, AVX512-BF16 measured {speedup:.2f}x as fast as fp32"
    fp32 = Candidate("fp32", measured)
    return [Candidate("bf16", measured), fp32] if speedup >= LEAST_SPEEDUP else [fp32]


def _bfloat16_speedup(forms: Forms, probe: np.ndarray) -> float:
    return speedup(forms["bf16"][0], forms["fp32"][0], probe)


def speedup(net: RunnableNet, other: RunnableNet, probe: np.ndarray) -> float:
    """How many times as fast as `other` `net` is here, from the best of several alternating runs.

    Measured in processor time, because workers start while others are busy. Raises NetError.
    """
    best = [float("inf")] * 2
    for trial in range(TRIALS + 1):
        for number, one in enumerate((net, other)):
            start = time.process_time()
            one(probe)
            if trial:  # the first run plans memory and prepares weights
                best[number] = min(best[number], time.process_time() - start)
    return best[1] / best[0]
