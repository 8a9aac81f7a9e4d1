"""Loads the nets of one installed pack, each in the form that is fastest on this machine."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from recognition.engine import cpu
from recognition.engine.choose_net import Choice, choose_net
from recognition.engine.mxnet_runtime import Net, import_mxnet, load_graph, return_memory


class PackNets:
    """device: cpu, gpu or gpu:N. precision: auto, fp32 or bf16. choices: net → which form of it runs, and why."""

    def __init__(self, pack_dir: Path, *, threads: int = 1, device: str = "cpu", precision: str = "auto"):
        import_mxnet(threads=threads)
        cv2.setNumThreads(threads)
        self.pack_dir, self.device, self.precision = pack_dir, device, precision
        self.choices: dict[str, Choice] = {}

    def load(self, name: str, probe: np.ndarray, *, bfloat16: bool = True) -> Net:
        """Loads a net of the pack; see choose_net for `probe` and `bfloat16`. Raises DeviceError, ValueError."""
        graph = load_graph(self.pack_dir / f"{name}-symbol.json", self.pack_dir / f"{name}-0000.params")
        net, choice = choose_net(graph, probe, device=self.device, precision=self.precision, bfloat16=bfloat16)
        self.choices[name] = choice
        return_memory()
        return net

    def describe(self) -> dict[str, Any]:
        """Reports what runs where and why, as JSON; "nets" is a list of {"name", "precision", "why", "cosine", "passes"}."""
        processor = cpu.prepare()
        return {
            "device": self.device,
            "processor": processor.name,
            "amx": processor.note,
            "nets": [
                {
                    "name": name,
                    "precision": choice.precision,
                    "why": choice.why,
                    "cosine": round(choice.cosine, 7),
                    "passes": [f"{step}: {outcome}" for step, outcome in choice.report.items()],
                }
                for name, choice in self.choices.items()
            ],
        }
