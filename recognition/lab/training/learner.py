"""A net at work: forward, loss, backward, SGD with momentum; on several devices and processes with the same result.

The update is MXNet's own, as published: weights and gammas decay, biases and betas do not (mxnet, optimizer.py,
set_wd_mult). Each device takes an equal part of the batch; gradients are added up over devices and processes before every
update, so all hold the same weights. BatchNorm's means and variances are those of each part; the first device's are kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from recognition.engine import builtin_faces
from recognition.engine.choose_net import choose_net
from recognition.engine.graph.ir import Graph
from recognition.engine.mxnet_runtime import context, import_mxnet
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.exchange import Exchange
from recognition.lab.training.losses import Loss
from recognition.lab.training.nets import TrainableNet, training_graph

EMBED_BATCH = 32
DECAYING = ("_weight", "_gamma")
SHORTEST = 0.01  # of an array, for `clip`: biases may be nought


@dataclass(frozen=True, slots=True)
class Step:
    """loss, right: means over the batch, of all processes. stop: a process asks all to end."""

    loss: float
    right: float
    stop: bool = False


class Learner:
    """batch: of this process. params: of the net and the loss, by name; float32."""

    def __init__(
        self,
        net: TrainableNet,
        loss: Loss,
        loss_params: dict[str, np.ndarray],
        *,
        batch: int,
        devices: tuple[str, ...] = ("cpu",),
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        clip: float | None = None,
        frozen_batchnorm: bool = False,
        exchange: Exchange | None = None,
    ):
        if batch % len(devices):
            raise TrainingError(f"The batch, {batch}, cannot be shared by {len(devices)} devices. Change --batch.")
        self.net, self._loss = net, loss
        self._momentum, self._decay, self._clip = momentum, weight_decay, clip
        graph = training_graph(net, frozen_batchnorm=frozen_batchnorm)
        self._exchange = exchange or Exchange(len(devices))
        part = batch // len(devices)
        self._device = devices[0]
        self._replicas = [_Replica(graph, net, loss_params, context(device), part) for device in devices]
        self._names = sorted(self._replicas[0].gradients)
        self._exchange.begin({name: [r.params[name] for r in self._replicas] for name in self._names})

    def learn(self, chips: np.ndarray, labels: np.ndarray, *, rate: float, seed: int, stop: bool = False) -> Step:
        """One step. seed: of what is random in the net, such as Dropout. Raises no error on a loss that is no number."""
        parts = len(self._replicas)
        for number, (replica, pixels) in enumerate(
            zip(self._replicas, np.split(self.net.prepared(chips), parts), strict=True)
        ):
            replica.forward(pixels, seed + number)
        values = [
            replica.backward(own, self._loss)
            for replica, own in zip(self._replicas, np.split(labels, parts), strict=True)
        ]
        found = [(float(value.asscalar()), right) for value, right in values]
        loss, right, stops = self._exchange.add_figures(np.array([*np.mean(found, axis=0), float(stop)]))
        for name in self._names:
            self._exchange.add_up(name, [replica.gradients[name] for replica in self._replicas])
        share = 1 / (parts * self._exchange.processes)
        for replica in self._replicas:
            replica.update(self._names, rate, share, momentum=self._momentum, decay=self._decay, clip=self._clip)
        return Step(loss / self._exchange.processes, right / self._exchange.processes, stops > 0)

    def trained_graph(self) -> Graph:
        """The net as it stands, in the form that it is used in."""
        first = self._replicas[0]
        arrays = {**first.params, **first.auxiliary}
        graph = self.net.graph.copy()
        graph.params = {name: arrays[name].asnumpy() for name in graph.params}
        return graph

    def embedder(self) -> Callable[[np.ndarray], np.ndarray]:
        """The net as it stands, as fast as it runs here: uint8 RGB (n, size, size, 3) to float32 (n, dim)."""
        return embedder_of(replace(self.net, graph=self.trained_graph()), self._device)

    def state(self) -> dict[str, np.ndarray]:
        """Everything a resumed run needs: params and their momentum."""
        first = self._replicas[0]
        state = {f"param:{name}": array.asnumpy() for name, array in {**first.params, **first.auxiliary}.items()}
        return state | {f"momentum:{name}": array.asnumpy() for name, array in first.momentum.items()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        for replica in self._replicas:
            for name, array in {**replica.params, **replica.auxiliary}.items():
                array[:] = state[f"param:{name}"]
            for name, array in replica.momentum.items():
                array[:] = state[f"momentum:{name}"]


def embedder_of(net: TrainableNet, device: str = "cpu") -> Callable[[np.ndarray], np.ndarray]:
    """A net in use: uint8 RGB (n, size, size, 3) to float32 (n, dim), in float32, in batches of EMBED_BATCH."""
    probe = net.prepared(builtin_faces.faces(2, net.size))
    ready, _ = choose_net(net.graph, probe, device=device, precision="fp32")

    def embed(chips: np.ndarray) -> np.ndarray:
        vectors = []
        for start in range(0, len(chips), EMBED_BATCH):
            part = chips[start : start + EMBED_BATCH]
            batch = np.zeros((EMBED_BATCH, *chips.shape[1:]), "uint8")
            batch[: len(part)] = part
            vectors.append(ready(net.prepared(batch))[0][: len(part)])
        return np.concatenate(vectors)

    return embed


class _Replica:
    """The net on one device."""

    def __init__(self, graph, net: TrainableNet, loss_params: dict[str, np.ndarray], device, batch: int):
        self._mx = mx = import_mxnet()
        self._device, self._net = device, net
        symbol = graph.to_symbol(mx)
        auxiliary = set(symbol.list_auxiliary_states())
        array = {n: mx.nd.array(v, ctx=device, dtype="float32") for n, v in {**graph.params, **loss_params}.items()}
        self.auxiliary = {name: array[name] for name in auxiliary}
        self.params = {name: value for name, value in array.items() if name not in auxiliary}
        self.gradients = {name: mx.nd.zeros(value.shape, ctx=device) for name, value in self.params.items()}
        self.momentum = {name: mx.nd.zeros(value.shape, ctx=device) for name, value in self.params.items()}
        self._own = {name: self.params[name] for name in loss_params}
        mx.autograd.mark_variables(list(self._own.values()), [self.gradients[name] for name in self._own])
        self._executor = self._bind(symbol, batch)

    def _bind(self, symbol, batch: int):
        arguments = {name: self.params[name] for name in symbol.list_arguments() if name != "data"}
        gradients = {name: self.gradients[name] for name in arguments}
        arguments["data"] = self._mx.nd.zeros((batch, 3, self._net.size, self._net.size), ctx=self._device)
        kinds = {name: "null" if name == "data" else "write" for name in arguments}
        return symbol.bind(self._device, arguments, args_grad=gradients, grad_req=kinds, aux_states=self.auxiliary)

    def forward(self, pixels: np.ndarray, seed: int) -> None:
        """Begins with this part of the batch; does not wait, so that all devices work at once."""
        self._mx.random.seed(seed, ctx=self._device)
        self._executor.forward(is_train=True, data=self._mx.nd.array(pixels, ctx=self._device))

    def backward(self, labels: np.ndarray, loss: Loss) -> tuple[object, float]:
        """Fills the gradients of the part's mean loss; returns that, an NDArray, and how much was right."""
        vectors = self._executor.outputs[0].copy()
        vectors.attach_grad()
        with self._mx.autograd.record():
            value, right = loss(vectors, labels, self._own)
        value.backward()
        self._executor.backward([vectors.grad])
        return value, right

    def update(
        self, names: list[str], rate: float, share: float, *, momentum: float, decay: float, clip: float | None
    ) -> None:
        for name in names:
            weight = self.params[name]
            self._mx.nd.sgd_mom_update(
                weight,
                self.gradients[name],
                self.momentum[name],
                lr=rate,
                momentum=momentum,
                wd=decay if name.endswith(DECAYING) else 0.0,
                rescale_grad=share * (self._within(name, rate * share, clip) if clip else 1.0),
                out=weight,
            )

    def _within(self, name: str, rate: float, clip: float) -> float:
        """What the gradient is to be multiplied by, so that it moves its array by `clip` of the array's length at most.

        Nets with BatchNorm and scaling folded into their weights have layers of very different scales; one rate for all
        would throw some of them about (as LARS, You et al., 2017, which always scales; this only holds back).
        """
        weight, gradient = self.params[name], self.gradients[name]
        length = max(float(weight.norm().asscalar()), SHORTEST)
        return min(1.0, clip * length / max(rate * float(gradient.norm().asscalar()), 1e-30))
