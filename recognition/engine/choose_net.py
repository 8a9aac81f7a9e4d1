"""Picks the fastest form of a published net that still computes the same on this machine, checked before it is used."""

from dataclasses import dataclass, field, replace

import numpy as np

from recognition.engine.graph.fold_batchnorm import fold_dense_batchnorm
from recognition.engine.graph.ir import Graph
from recognition.engine.graph.passes import Precision
from recognition.engine.mxnet_runtime import Net
from recognition.engine.net_forms import (
    CompiledForms,
    Forms,
    RewrittenForms,
    UseBfloat16,
    candidates,
    check_precision,
    speedup,
)
from recognition.engine.openvino_runtime import OpenVino
from recognition.engine.runnable import NetError, RunnableNet

# A fast net is accepted if the cosine between its outputs and the published net's, on drawn faces, is at least this.
LEAST_COSINE = {"fp32": 0.999999, "bf16": 0.998}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which form of a net runs, and why.

    precision: fp32 or bf16. cosine: the lowest between its outputs and the published net's. report: pass → what it did.
    runtime: mxnet or openvino.
    """

    precision: Precision
    why: str
    cosine: float
    report: dict[str, str] = field(default_factory=dict)
    runtime: str = "mxnet"


Found = tuple[RunnableNet, Choice]


def choose_net(
    graph: Graph,
    probe: np.ndarray,
    *,
    device: str = "cpu",
    precision: str = "auto",
    bfloat16: UseBfloat16 = "auto",
    openvino: OpenVino | None = None,
    any_size: bool = False,
) -> Found:
    """Returns the net to use, and what was chosen.

    probe: a batch in the form the net takes, on which each candidate is compared with the published net. bfloat16: see
    UseBfloat16. openvino: taken where it agrees with the published net and is faster than MXNet.
    any_size: whether the net takes images of any height and width. Raises DeviceError if the device is missing or cannot
    compute `precision`.
    """
    plain = graph.copy()
    fold_dense_batchnorm(plain)
    published = Net(plain, device=device, fused=False)
    if device != "cpu":
        return published, Choice("fp32", f"on {device}, as published", 1.0)
    check_precision(precision)
    trial = _Trial(probe, published(probe), precision, bfloat16)
    theirs, because = _openvinos(openvino, graph, trial, any_size) if openvino else (None, "")
    if theirs and because:
        return _because(theirs, because)
    ours, faults = trial.best(RewrittenForms(graph))
    ours = ours or (published, Choice("fp32", f"{faults}; as published", 1.0))
    if openvino and theirs:
        ratio = speedup(theirs[0], ours[0], probe)
        openvino.remember_speedup(graph, ratio, precision, bfloat16)
        return _because(theirs if ratio > 1 else ours, _measured(ratio))
    return _because(ours, because) if because else ours


@dataclass(frozen=True, slots=True)
class _Trial:
    """expected: what the published net gives for the probe."""

    probe: np.ndarray
    expected: list[np.ndarray]
    precision: str
    bfloat16: UseBfloat16

    def best(self, forms: Forms) -> tuple[Found | None, str]:
        """The first of a runtime's forms that computes the same, and why others were refused."""
        refused: list[str] = []
        for candidate in candidates(forms, self.probe, self.precision, self.bfloat16):
            precision = candidate.precision
            try:
                net, report = forms[precision]
                cosine = least_cosine(net(self.probe), self.expected)
            except NetError as error:
                refused.append(f"{precision} refused: {error}")
                continue
            if cosine >= LEAST_COSINE[precision]:
                why = "; ".join([candidate.why, *refused])
                return (net, Choice(precision, why, cosine, report, forms.runtime)), "; ".join(refused)
            refused.append(f"{precision} refused: cosine {cosine:.7f} to the published net")
        return None, "; ".join(refused)


def _openvinos(openvino: OpenVino, graph: Graph, trial: _Trial, any_size: bool) -> tuple[Found | None, str]:
    """OpenVINO's form of a net and why it is taken, or None and why not. No reason: whether it is faster is to be measured."""
    known = None if openvino.required else openvino.recall_speedup(graph, trial.precision, trial.bfloat16)
    if known is not None and known <= 1:
        return None, _measured(known)
    found, refused = trial.best(CompiledForms(graph, _shape(trial.probe, any_size), openvino))
    if not found:
        return None, f"OpenVINO: {refused}"
    if openvino.required:
        return found, "FACEPLATFORM_RUNTIME=openvino"
    return found, "" if known is None else f"{_measured(known)} at an earlier start"


def _measured(ratio: float) -> str:
    return f"OpenVINO measured {ratio:.2f}x as fast as MXNet"


def _because(found: Found, reason: str) -> Found:
    net, choice = found
    return net, replace(choice, why=f"{choice.why}; {reason}")


def _shape(probe: np.ndarray, any_size: bool) -> tuple[int | str, ...]:
    channels, height, width = probe.shape[1:]
    return ("n", channels, "h", "w") if any_size else ("n", channels, height, width)


def least_cosine(outputs: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The lowest cosine between corresponding rows of two nets' outputs; NaN counts as -1."""
    least = 1.0
    for output, reference in zip(outputs, expected, strict=True):
        a, b = (array.reshape(len(array), -1).astype("float64") for array in (output, reference))
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosines = np.divide((a * b).sum(1), norms, out=(a == b).all(1).astype("float64"), where=norms > 0)
        least = min(least, float(np.nan_to_num(cosines, nan=-1.0).min()))
    return least
