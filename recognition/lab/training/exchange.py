"""Sums gradients over devices and processes with MXNet's key-value store. With one device, there is nothing to do."""

from typing import Any

import numpy as np

from recognition.engine.mxnet_runtime import import_mxnet
from recognition.lab.training.losses import NDArray

FIGURES = "figures"


class Exchange:
    """replicas: devices of this process. distributed: whether other processes take part; see cluster.py.

    rank: of this process, from 0. processes: how many take part.
    """

    def __init__(self, replicas: int = 1, *, distributed: bool = False):
        self._store: Any = None  # an mxnet KVStore, where one is needed
        if distributed:
            self._store = import_mxnet().kv.create("dist_sync")
            self._wait_at_exit(False)
        elif replicas > 1:
            self._store = import_mxnet().kv.create("device")
        self._distributed = distributed
        self.rank = self._store.rank if distributed else 0
        self.processes = self._store.num_workers if distributed else 1

    def broadcast(self, params: dict[str, list[NDArray]]) -> None:
        """Gives all devices and processes the values of the first. params: name → the array on each device."""
        if self._store is None:
            return
        for name, arrays in params.items():
            self._store.init(name, arrays[0])
            self._store.pull(name, out=arrays)
        if self._distributed:
            self._store.init(FIGURES, import_mxnet().nd.zeros(3))

    def sum_gradients(self, name: str, gradients: list[NDArray]) -> None:
        """Replaces each of `gradients`, one per device, by the sum over all devices and processes."""
        if self._store is not None:
            self._store.push(name, gradients)
            self._store.pull(name, out=gradients)

    def finish(self) -> None:
        """Sends what is still to be sent, as MXNet drops it when Python ends, and the others would wait for it for ever.

        Without this a process ends at once, because it has failed; after it, it ends when the others do.
        """
        if self._distributed:
            import_mxnet().nd.waitall()
            self._wait_at_exit(True)

    def _wait_at_exit(self, wanted: bool) -> None:
        base = import_mxnet().base
        base.check_call(base._LIB.MXKVStoreSetBarrierBeforeExit(self._store.handle, int(wanted)))

    def sum_figures(self, figures: np.ndarray) -> np.ndarray:
        """Sums three figures over the processes; float (3,)."""
        if not self._distributed:
            return figures
        array = import_mxnet().nd.array(figures, dtype="float32")
        self._store.push(FIGURES, array)
        self._store.pull(FIGURES, out=array)
        return array.asnumpy().astype("float64")
