"""Adding up gradients over devices and processes, by MXNet's key-value store. One device in one process needs none."""

import numpy as np

from recognition.engine.mxnet_runtime import import_mxnet

FIGURES = "figures"


class Exchange:
    """replicas: devices of this process. distributed: other processes take part; see cluster.py."""

    def __init__(self, replicas: int = 1, *, distributed: bool = False):
        self._store = None
        if distributed:
            self._store = import_mxnet().kv.create("dist_sync")
        elif replicas > 1:
            self._store = import_mxnet().kv.create("device")
        self._distributed = distributed
        self.rank = self._store.rank if distributed else 0
        self.processes = self._store.num_workers if distributed else 1

    def begin(self, params: dict[str, list]) -> None:
        """params: name → the array on each device. Gives all devices and processes the first one's values."""
        if self._store is None:
            return
        for name, arrays in params.items():
            self._store.init(name, arrays[0])
            self._store.pull(name, out=arrays)
        if self._distributed:
            self._store.init(FIGURES, import_mxnet().nd.zeros(3))

    def add_up(self, name: str, gradients: list) -> None:
        """Leaves the sum over all devices and processes in each of `gradients`."""
        if self._store is not None:
            self._store.push(name, gradients)
            self._store.pull(name, out=gradients)

    def add_figures(self, figures: np.ndarray) -> np.ndarray:
        """float (3,), summed over the processes."""
        if not self._distributed:
            return figures
        array = import_mxnet().nd.array(figures, dtype="float32")
        self._store.push(FIGURES, array)
        self._store.pull(FIGURES, out=array)
        return array.asnumpy().astype("float64")
