"""The pack of new installations: its conversion from blocks of int8, its colours, and the views that it embeds."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from recognition.engine.manifest import PackError
from recognition.engine.pipeline import Pipeline
from recognition.packs.import_onnx import embedder_graph
from tests.recognition.packs.chips import golden_chips

GOLDEN = json.loads((Path(__file__).parent / "golden_sface.json").read_text())
SIZE = 112


@pytest.fixture(scope="module")
def exact(sface_dir):
    """In float32, for comparing with what others computed."""
    return Pipeline.load(sface_dir, precision="fp32")


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_embeds_like_opencv_and_takes_rgb(exact, name):
    """The golden vectors were computed by OpenCV 4.11's FaceRecognizerSF. No accuracy test would notice swapped colours."""
    chip = golden_chips(SIZE)[name]
    [vector], [swapped] = exact.embedder.embed_chips(chip[None]), exact.embedder.embed_chips(chip[None, :, :, ::-1])
    golden = np.array(GOLDEN[name])
    assert np.abs(vector - golden).max() < 2e-5
    assert name == "noise" or np.abs(swapped - golden).max() > 0.1


def test_a_probe_is_one_view_and_an_enrolment_eight(exact, collins, monkeypatch):
    views = []
    net = exact.embedder.embed_chips
    monkeypatch.setattr(exact.embedder, "embed_chips", lambda chips: views.append(len(chips)) or net(chips))
    analyses = [exact.analyse([collins], purposes=[purpose])[0] for purpose in ("probe", "enrol")]
    assert views == [1, 8]
    probe, enrolled = (analysis.faces[0].embedding for analysis in analyses)
    assert np.linalg.norm(probe) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(probe - enrolled) < 0.7


def test_the_same_person_is_near_and_another_far(sface, hopper, hopper_again, collins):
    faces = [a.faces[0].embedding for a in sface.analyse([hopper, hopper_again, collins], purposes=["probe"] * 3)]
    same, other = np.linalg.norm(faces[0] - faces[1]), np.linalg.norm(faces[0] - faces[2])
    assert same < sface.manifest.size_threshold(10_000).distance < sface.manifest.threshold_1to1 < other


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("block", [0, 4, 3])
def test_blocks_of_int8_are_unfolded(tmp_path, axis, block):
    """Weights in blocks along an axis, the last of them cut short, then reshaped; unused names left among the inputs."""
    random = np.random.default_rng(1)
    values = random.integers(-128, 128, (8, 27), dtype="int8")
    side = values.shape[axis]
    shape = [8, 27]
    shape[axis] = -(-side // block) if block else side
    scale = random.random(shape if block else side, "float32") / 99
    zero = random.integers(-9, 9, scale.shape, dtype="int8")
    attributes = {"axis": axis} | ({"block_size": block} if block else {})
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["flat"], **attributes),
        helper.make_node("Reshape", ["flat", "shape"], ["weight"]),
        helper.make_node("Conv", ["image", "weight"], ["map"]),
        helper.make_node("Dropout", ["map", "ratio"], ["kept"]),
        helper.make_node("Flatten", ["kept"], ["vector"]),
    ]
    constants = {"q": values, "scale": scale, "zero": zero, "shape": np.array([8, 3, 3, 3]), "ratio": np.float32([0.5])}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, 3, 3)) for name in ("weight_fp32", "image")]
    output = helper.make_tensor_value_info("vector", TensorProto.FLOAT, (1, 8))
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    onnx.save(helper.make_model(helper.make_graph(nodes, "net", inputs, [output], weights)), str(tmp_path / "net.onnx"))

    graph, size = embedder_graph(tmp_path / "net.onnx")

    if block:
        spread = [np.repeat(array, block, axis).take(range(side), axis) for array in (scale, zero)]
    else:
        spread = [np.expand_dims(array, 1 - axis) for array in (scale, zero)]
    expected = (values.astype("float64") - spread[1]) * spread[0]
    [weight] = [array for name, array in graph.params.items() if name.endswith("weight")]
    assert size == 3
    assert np.allclose(weight.reshape(8, 27), expected, atol=1e-5)


@pytest.mark.parametrize("block", [1, 5, 10**12])
def test_blocks_that_do_not_fit_are_refused(tmp_path, block):
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "scale"], ["weight"], axis=1, block_size=block),
        helper.make_node("Conv", ["image", "weight"], ["vector"]),
    ]
    constants = {"q": np.zeros((8, 3, 3, 3), "int8"), "scale": np.ones((8, 2, 3, 3), "float32")}
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 3, 3))
    output = helper.make_tensor_value_info("vector", TensorProto.FLOAT, (1, 8))
    onnx.save(helper.make_model(helper.make_graph(nodes, "net", [image], [output], weights)), str(tmp_path / "n.onnx"))
    with pytest.raises(PackError, match=r"DequantizeLinear .* blocks of"):
        embedder_graph(tmp_path / "n.onnx")
