"""Loads the nets of one installed pack, each in the form that is fastest on this machine."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from recognition.engine import cpu
from recognition.engine.choose_net import Choice, choose_net
from recognition.engine.mxnet_runtime import import_mxnet, load_graph, return_memory
from recognition.engine.net_forms import UseBfloat16
from recognition.engine.openvino_runtime import OpenVino, refuses_memory
from recognition.engine.runnable import DeviceError, RunnableNet


class PackNets:
    """device: cpu, gpu or gpu:N. precision: auto, fp32 or bf16. runtime: auto, mxnet or openvino. cache_dir: for
    OpenVINO's compiled models. choices: net → which form of it runs, and why. Raises DeviceError."""

    def __init__(
        self,
        pack_dir: Path,
        *,
        threads: int = 1,
        device: str = "cpu",
        precision: str = "auto",
        runtime: str = "mxnet",
        cache_dir: Path | None = None,
    ):
        import_mxnet(threads=threads)
        cv2.setNumThreads(threads)
        self.pack_dir, self.device, self.precision = pack_dir, device, precision
        self.openvino, self.note = _openvino(runtime, device, threads, cache_dir)
        self.choices: dict[str, Choice] = {}

    def load(
        self, name: str, probe: np.ndarray, *, bfloat16: UseBfloat16 = "auto", any_size: bool = False
    ) -> RunnableNet:
        """Loads a net of the pack; see choose_net for the arguments. Raises DeviceError, ValueError."""
        graph = load_graph(self.pack_dir / f"{name}-symbol.json", self.pack_dir / f"{name}-0000.params")
        net, choice = choose_net(
            graph,
            probe,
            device=self.device,
            precision=self.precision,
            bfloat16=bfloat16,
            openvino=self.openvino,
            any_size=any_size,
        )
        self.choices[name] = choice
        return_memory()
        return net

    def describe(self) -> dict[str, Any]:
        """Reports what runs where and why, as JSON; "nets" is a list of {"name", "runtime", "precision", "why", "cosine",
        "passes"}."""
        processor = cpu.prepare()
        return {
            "device": self.device,
            "processor": processor.name,
            "amx": processor.note,
            "runtime": self.note,
            "nets": [
                {
                    "name": name,
                    "runtime": choice.runtime,
                    "precision": choice.precision,
                    "why": choice.why,
                    "cosine": round(choice.cosine, 7),
                    "passes": [f"{step}: {outcome}" for step, outcome in choice.report.items()],
                }
                for name, choice in self.choices.items()
            ],
        }


def _openvino(runtime: str, device: str, threads: int, cache_dir: Path | None) -> tuple[OpenVino | None, str]:
    """OpenVINO, if nets may run in it, and a few words about it."""
    if runtime == "mxnet":
        return None, "MXNet alone"
    if device != "cpu":
        if runtime == "openvino":
            raise DeviceError(
                f"FACEPLATFORM_RUNTIME=openvino runs on the processor, not on {device}. Set FACEPLATFORM_DEVICE=cpu, or "
                "FACEPLATFORM_RUNTIME=auto or mxnet."
            )
        return None, f"MXNet alone, on {device}"
    try:
        openvino = OpenVino(required=runtime == "openvino", threads=threads, cache_dir=cache_dir)
    except DeviceError:
        if runtime == "openvino":
            raise
        return None, "MXNet alone, OpenVINO is not installed"
    if reason := refuses_memory():  # then OpenVINO may repeat earlier results and raise nothing
        if runtime == "openvino":
            raise DeviceError(
                f"FACEPLATFORM_RUNTIME=openvino is not safe here, because {reason}: OpenVINO may then answer for one photo "
                "what it computed for another. Lift that limit, or set FACEPLATFORM_RUNTIME=auto or mxnet."
            )
        return None, f"MXNet alone, because {reason}"
    return openvino, "MXNet and OpenVINO"
