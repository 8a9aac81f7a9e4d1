"""Measures how many faces per second a network learns from."""

import time
from dataclasses import dataclass

import numpy as np

from recognition.engine import builtin_faces
from recognition.lab.training.learner import Learner
from recognition.lab.training.nets import new_net
from recognition.lab.training.options import Options

CLASSES = 1000


@dataclass(frozen=True, slots=True)
class Speed:
    """images_per_second: by the clock. images_per_cpu_second: by processor time, which other programs do not affect."""

    network: str
    batch: int
    images_per_second: float
    images_per_cpu_second: float


def training_speed(network: str, *, batch: int, steps: int, device: str = "cpu", width: float = 1.0) -> Speed:
    """Times `steps` steps of ArcFace on synthetic faces of CLASSES people, after one untimed step that plans memory."""
    options = Options(network=network, width=width, batch=batch)
    net = new_net(network, options.dim_used, 0, width)
    loss = options.make_loss(CLASSES)
    random = np.random.default_rng(0)
    learner = Learner(net, loss, loss.initial_params(options.dim_used, random), batch=batch, devices=(device,))
    chips, labels = builtin_faces.faces(batch, net.size), random.integers(0, CLASSES, batch)
    learner.learn(chips, labels, rate=0.01, seed=0)
    clock, processor = time.perf_counter(), time.process_time()
    for step in range(steps):
        learner.learn(chips, labels, rate=0.01, seed=step)
    spent = time.perf_counter() - clock, time.process_time() - processor
    return Speed(network, batch, *(batch * steps / seconds for seconds in spent))
