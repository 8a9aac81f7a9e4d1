"""A damaged or malicious ONNX ends in a PackError with a sentence, or is read; nothing else comes out."""

import random

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from recognition.engine.manifest import PackError
from recognition.packs.import_onnx import embedder_graph, scrfd_graph

MUTANTS = 2000


def model() -> onnx.ModelProto:
    weight = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype("float32")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1], strides=[1, 1]),
        helper.make_node("Clip", ["c", "low"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["y"]),
    ]
    constants = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.float32(0), "low")]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 8, 8))]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "net", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


def mutant(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed[: chance.randrange(1, len(changed))] if chance.random() < 0.1 else changed)


def test_mutants_are_read_or_refused(tmp_path):
    chance, data, path = random.Random(14), model().SerializeToString(), tmp_path / "net.onnx"
    refused = 0
    for _ in range(MUTANTS):
        path.write_bytes(mutant(data, chance))
        try:
            embedder_graph(path)
        except PackError:
            refused += 1
    assert 0 < refused < MUTANTS


@pytest.mark.parametrize("read", [embedder_graph, scrfd_graph])
def test_an_operator_without_an_output_is_refused(tmp_path, read):
    damaged = model()
    del damaged.graph.node[1].output[:]
    path = tmp_path / "net.onnx"
    path.write_bytes(damaged.SerializeToString())
    with pytest.raises(PackError):
        read(path)
