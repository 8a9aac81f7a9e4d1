"""Makes training steps: forward, loss, backward, SGD with momentum; with the same result on several devices or processes.

The update is MXNet's own, as published: weights and gammas decay, biases and betas do not (mxnet, optimizer.py,
set_wd_mult). Each device takes an equal part of the batch. Gradients are summed over devices and processes before every
update, so all hold the same weights. BatchNorm normalises each part by its own mean and variance; the first device's moving
averages are the ones that are saved.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recognition.engine import builtin_faces
from recognition.engine.choose_net import choose_net
from recognition.engine.graph.ir import Graph
from recognition.engine.mxnet_runtime import context, import_mxnet
from recognition.lab.evaluation.embedding import Embed
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.exchange import Exchange
from recognition.lab.training.losses import Loss, NDArray
from recognition.lab.training.nets import TrainableNet, training_graph
from recognition.lab.training.symbols import Symbol

Context = Any
"""An mxnet.Context; MXNet comes without types."""
Executor = Any
"""An mxnet Executor."""
EMBED_BATCH = 32
DECAYING = ("_weight", "_gamma")
SHORTEST = 0.01  # the least length of an array that `clip` assumes, since biases may be all 0


@dataclass(frozen=True, slots=True)
class Step:
    """A step's result. loss, right: means over the batch of all processes; see Loss. stop: a process asked all to end."""

    loss: float
    right: float
    stop: bool = False


class Learner:
    """Trains a net. batch: of this process. loss_params: the loss's own weights, float32. clip: see Options.

    Raises TrainingError, DeviceError.
    """

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
        self._exchange.broadcast({name: [r.params[name] for r in self._replicas] for name in self._names})

    def learn(self, chips: np.ndarray, labels: np.ndarray, *, rate: float, seed: int, stop: bool = False) -> Step:
        """Makes one step. seed: of what is random in the net, such as Dropout. The loss may be infinite or NaN.

        chips: uint8 RGB (batch, size, size, 3); labels: (batch,). stop: ask all processes to end.
        """
        parts = len(self._replicas)
        for number, (replica, pixels) in enumerate(
            zip(self._replicas, np.split(self.net.preprocess(chips), parts), strict=True)
        ):
            replica.forward(pixels, seed + number)
        values = [
            replica.backward(part, self._loss)
            for replica, part in zip(self._replicas, np.split(labels, parts), strict=True)
        ]
        figures = [(float(value.asscalar()), right) for value, right in values]
        loss, right, stops = self._exchange.sum_figures(np.array([*np.mean(figures, axis=0), float(stop)]))
        for name in self._names:
            self._exchange.sum_gradients(name, [replica.gradients[name] for replica in self._replicas])
        share = 1 / (parts * self._exchange.processes)
        for replica in self._replicas:
            replica.update(self._names, rate, share, momentum=self._momentum, decay=self._decay, clip=self._clip)
        return Step(loss / self._exchange.processes, right / self._exchange.processes, stops > 0)

    def trained_graph(self) -> Graph:
        """The net with its current weights, in the form in which it is used."""
        first = self._replicas[0]
        arrays = {**first.params, **first.auxiliary}
        graph = self.net.graph.copy()
        graph.params = {name: arrays[name].asnumpy() for name in graph.params}
        return graph

    def embedder(self) -> Embed:
        """The net with its current weights, ready for use; see embedder_of."""
        return embedder_of(replace(self.net, graph=self.trained_graph()), self._device)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a resumed run needs: params and their momentum, by name."""
        first = self._replicas[0]
        state = {f"param:{name}": array.asnumpy() for name, array in {**first.params, **first.auxiliary}.items()}
        return state | {f"momentum:{name}": array.asnumpy() for name, array in first.momentum.items()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Takes a state over. Raises KeyError or ValueError if it is of another net or loss."""
        for replica in self._replicas:
            for name, array in {**replica.params, **replica.auxiliary}.items():
                array[:] = state[f"param:{name}"]
            for name, array in replica.momentum.items():
                array[:] = state[f"momentum:{name}"]


def embedder_of(net: TrainableNet, device: str = "cpu") -> Embed:
    """A net ready for use, in its fastest float32 form: uint8 RGB (n, size, size, 3) → float32 (n, dim).

    It works in batches of EMBED_BATCH. Raises DeviceError.
    """
    probe = net.preprocess(builtin_faces.faces(2, net.size))
    ready, _ = choose_net(net.graph, probe, device=device, precision="fp32")

    def embed(chips: np.ndarray) -> np.ndarray:
        vectors = []
        for start in range(0, len(chips), EMBED_BATCH):
            part = chips[start : start + EMBED_BATCH]
            batch = np.zeros((EMBED_BATCH, *chips.shape[1:]), "uint8")
            batch[: len(part)] = part
            vectors.append(ready(net.preprocess(batch))[0][: len(part)])
        return np.concatenate(vectors)

    return embed


class _Replica:
    """The net on one device."""

    def __init__(
        self, graph: Graph, net: TrainableNet, loss_params: dict[str, np.ndarray], device: Context, batch: int
    ):
        self._mx = mx = import_mxnet()
        self._device, self._net = device, net
        symbol = graph.to_symbol(mx)
        auxiliary = set(symbol.list_auxiliary_states())
        array = {n: mx.nd.array(v, ctx=device, dtype="float32") for n, v in {**graph.params, **loss_params}.items()}
        self.auxiliary = {name: array[name] for name in auxiliary}
        self.params = {name: value for name, value in array.items() if name not in auxiliary}
        self.gradients = {name: mx.nd.zeros(value.shape, ctx=device) for name, value in self.params.items()}
        self.momentum = {name: mx.nd.zeros(value.shape, ctx=device) for name, value in self.params.items()}
        self._loss_params = {name: self.params[name] for name in loss_params}
        mx.autograd.mark_variables(
            list(self._loss_params.values()), [self.gradients[name] for name in self._loss_params]
        )
        self._executor = self._bind(symbol, batch)

    def _bind(self, symbol: Symbol, batch: int) -> Executor:
        arguments = {name: self.params[name] for name in symbol.list_arguments() if name != "data"}
        gradients = {name: self.gradients[name] for name in arguments}
        arguments["data"] = self._mx.nd.zeros((batch, 3, self._net.size, self._net.size), ctx=self._device)
        kinds = {name: "null" if name == "data" else "write" for name in arguments}
        return symbol.bind(self._device, arguments, args_grad=gradients, grad_req=kinds, aux_states=self.auxiliary)

    def forward(self, pixels: np.ndarray, seed: int) -> None:
        """Starts the forward pass of this part of the batch. It does not wait, so that all devices work at once."""
        self._mx.random.seed(seed, ctx=self._device)
        self._executor.forward(is_train=True, data=self._mx.nd.array(pixels, ctx=self._device))

    def backward(self, labels: np.ndarray, loss: Loss) -> tuple[NDArray, float]:
        """Computes the gradients of the part's mean loss; returns this loss, and the share that was right."""
        vectors = self._executor.outputs[0].copy()
        vectors.attach_grad()
        with self._mx.autograd.record():
            value, right = loss(vectors, labels, self._loss_params)
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
                rescale_grad=share * (self._clip_factor(name, rate * share, clip) if clip else 1.0),
                out=weight,
            )

    def _clip_factor(self, name: str, rate: float, clip: float) -> float:
        """The factor that keeps the gradient from moving its array by more than `clip` times the array's length.

        Nets with BatchNorm and scaling folded into their weights have layers of very different scales, so that one rate for
        all would make some of them unstable. LARS (You et al., 2017) always scales; this only limits.
        """
        weight, gradient = self.params[name], self.gradients[name]
        length = max(float(weight.norm().asscalar()), SHORTEST)
        return min(1.0, clip * length / max(rate * float(gradient.norm().asscalar()), 1e-30))
