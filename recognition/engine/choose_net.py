"""From a published net to the fastest one that still computes the same here, checked before it is used."""

import time
from dataclasses import dataclass, field

import numpy as np

from recognition.engine import cpu
from recognition.engine.graph.fold_batchnorm import fold_dense_batchnorm
from recognition.engine.graph.ir import Graph
from recognition.engine.graph.passes import Precision, rewrite
from recognition.engine.mxnet_runtime import Net, NetError

PRECISIONS = ("auto", "fp32", "bf16")
# Least cosine between a fast net's outputs and the published one's, on drawn faces.
SAME = {"fp32": 0.999999, "bf16": 0.998}
WORTH_IT = 1.15  # without AMX, bfloat16 must be faster by this to be used
TRIALS = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """What runs, and why. cosine: the least to the published net. report: pass → what it did."""

    precision: str
    why: str
    cosine: float
    report: dict[str, str] = field(default_factory=dict)


def choose_net(
    graph: Graph, probe: np.ndarray, *, device: str = "cpu", precision: str = "auto", bfloat16: bool = True
) -> tuple[Net, Choice]:
    """The net to use, and what was chosen.

    probe: a batch as the net takes it, on which each candidate is compared with the published net. bfloat16: whether
    this net may run in it at all. Raises DeviceError.
    """
    plain = graph.copy()
    fold_dense_batchnorm(plain)
    published = Net(plain, device=device, fused=False)
    if device != "cpu":
        return published, Choice("fp32", f"on {device}, as published", 1.0)
    wanted = published(probe)
    made = _Made(graph)
    refused = []
    for candidate, why in _candidates(made, probe, precision, bfloat16):
        try:
            net, report = made[candidate]
            cosine = least_cosine(net(probe), wanted)
        except NetError as error:
            refused.append(f"{candidate} refused: {error}")
            continue
        if cosine >= SAME[candidate]:
            return net, Choice(candidate, "; ".join([why, *refused]), cosine, report)
        refused.append(f"{candidate} refused: cosine {cosine:.7f} to the published net")
    return published, Choice("fp32", "; ".join([*refused, "as published"]), 1.0)


class _Made(dict):
    """precision → (net, report), made when asked for."""

    def __init__(self, graph: Graph):
        super().__init__()
        self.graph = graph

    def __missing__(self, precision: Precision):
        rewritten = rewrite(self.graph, precision, amx=cpu.prepare().amx)
        self[precision] = Net(rewritten.graph), rewritten.report
        return self[precision]


def least_cosine(outputs: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    """The least cosine between rows of two nets' outputs; NaN counts as -1."""
    least = 1.0
    for output, reference in zip(outputs, wanted, strict=True):
        a, b = (array.reshape(len(array), -1).astype("float64") for array in (output, reference))
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosines = np.divide((a * b).sum(1), norms, out=(a == b).all(1).astype("float64"), where=norms > 0)
        least = min(least, float(np.nan_to_num(cosines, nan=-1.0).min()))
    return least


def _candidates(made: _Made, probe: np.ndarray, precision: str, bfloat16: bool) -> list[tuple[Precision, str]]:
    """What to try, best first, and why."""
    processor = cpu.prepare()
    if precision == "fp32":
        return [("fp32", "FACEPLATFORM_PRECISION=fp32")]
    if not bfloat16:
        return [("fp32", "this net gains nothing from bfloat16")]
    if not processor.bfloat16:
        return [("fp32", f"{processor.note}, no AVX512-BF16")]
    if precision == "bf16":
        return [("bf16", "FACEPLATFORM_PRECISION=bf16"), ("fp32", processor.note)]
    if processor.amx:
        return [("bf16", processor.note), ("fp32", processor.note)]
    try:
        gain = _gain(made, probe)
    except NetError as error:
        return [("fp32", f"{processor.note}, bf16 refused: {error}")]
    measured = f"{processor.note}, AVX512-BF16 measured {gain:.2f}x as fast as fp32"
    return [("bf16", measured), ("fp32", measured)] if gain >= WORTH_IT else [("fp32", measured)]


def _gain(made: _Made, probe: np.ndarray) -> float:
    """How many times as fast bfloat16 is here: the best of a few runs of each, taken in turns. By processor time, as workers
    start while others work."""
    nets = [made["fp32"][0], made["bf16"][0]]
    best = [float("inf")] * 2
    for trial in range(TRIALS + 1):
        for number, net in enumerate(nets):
            start = time.process_time()
            net(probe)
            if trial:  # the first run plans and prepares weights
                best[number] = min(best[number], time.process_time() - start)
    return best[0] / best[1]
