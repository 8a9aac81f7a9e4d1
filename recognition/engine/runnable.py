"""What every runtime makes of a net, and how it fails."""

from typing import Protocol

import numpy as np


class DeviceError(Exception):
    """The device is missing, or cannot compute what is asked for. The message says why and what to do."""


class NetError(Exception):
    """A runtime could not run a net. The message is the last line of its own."""


class RunnableNet(Protocol):
    """weights: how many the net has. plans: for how many input shapes memory may be kept."""

    weights: int
    plans: int

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        """Runs the net on a batch, float32 (n, channels, height, width), and returns its outputs, float32. Raises NetError."""
        ...
