"""A net with a few thousand weights, and synthetic faces that are patterns, so that a training step takes milliseconds."""

import cv2
import numpy as np

from recognition.engine.mxnet_runtime import import_mxnet
from recognition.lab.training.nets import TrainableNet, initialised_net

BATCHNORM = {"fix_gamma": False, "eps": 2e-5, "momentum": 0.9}


def tiny_net(size: int = 32, dim: int = 16, seed: int = 0, dropout: float = 0.3) -> TrainableNet:
    sym = import_mxnet(threads=1).sym
    body = (sym.identity(sym.var("data"), name="id") - 127.5) * 0.0078125
    for number, filters in enumerate((8, 16)):
        body = sym.Convolution(
            body, num_filter=filters, kernel=(3, 3), stride=(2, 2), pad=(1, 1), no_bias=True, name=f"conv{number}"
        )
        body = sym.BatchNorm(body, name=f"bn{number}", **BATCHNORM)
        body = sym.LeakyReLU(body, act_type="prelu", name=f"relu{number}")
    body = sym.FullyConnected(sym.Dropout(body, p=dropout), num_hidden=dim, name="pre_fc1")
    return initialised_net(sym.BatchNorm(body, fix_gamma=True, eps=2e-5, momentum=0.9, name="fc1"), seed, size)


def patterns(people: int, each: int, *, size: int = 32, noise: float = 40.0, seed: int = 3):
    """Chips, uint8 RGB (people * each, size, size, 3), and their labels: a coarse pattern for each person, plus noise."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (people, 8, 8, 3)).astype("uint8")
    labels = np.repeat(np.arange(people), each)
    chips = [
        cv2.resize(coarse[label], (size, size), interpolation=cv2.INTER_LINEAR)
        + random.normal(0, noise, (size, size, 3))
        for label in labels
    ]
    return np.clip(np.stack(chips), 0, 255).astype("uint8"), labels


def jpeg(chip: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", chip[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
