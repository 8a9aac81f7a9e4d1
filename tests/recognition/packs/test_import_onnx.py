from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from recognition.engine.choose_net import least_cosine
from recognition.engine.export_onnx import export
from recognition.engine.graph.fold_batchnorm import fold_dense_batchnorm
from recognition.engine.graph.ir import Graph
from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import Net, import_mxnet
from recognition.lab.training.symbols import network, seeded_params
from recognition.packs.import_onnx import embedder_graph, scrfd_graph

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "models"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the published ONNX models are not here")


def saved(path: Path, nodes, constants=(), *, shape=(1, 3, 8, 8), output="y") -> Path:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants],
    )
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString())
    return path


def run(path: Path, batch: np.ndarray) -> np.ndarray:
    graph, _ = embedder_graph(path)
    return Net(graph, fused=False)(batch)[0]


@pytest.fixture
def batch():
    return np.random.default_rng(0).uniform(-1, 1, (1, 3, 8, 8)).astype("float32")


# --- Operators, each compared with its definition ---
def test_an_embedder_of_the_arcface_family_survives_export_and_import(tmp_path):
    symbol = network("mbf", 64)
    graph = Graph.from_symbol(symbol, seeded_params(symbol))
    export(graph, tmp_path / "net.onnx", data=("n", 3, 112, 112))
    back, size = embedder_graph(tmp_path / "net.onnx")
    assert size == 112
    faces = np.random.default_rng(0).uniform(0, 255, (2, 3, 112, 112)).astype("float32")
    for net in (graph, back):
        fold_dense_batchnorm(net)
    assert least_cosine(Net(back, fused=False)(faces), Net(graph, fused=False)(faces)) > 0.9999999


@pytest.mark.parametrize(
    ("node", "constants", "expected"),
    [
        (("Clip", ["x", "low", "high"]), {"low": np.float32(-0.2), "high": np.float32(0.3)}, lambda x: x.clip(-0.2, 0.3)),
        (("Clip", ["x", "low"]), {"low": np.float32(0)}, lambda x: x.clip(0)),
        (("Sigmoid", ["x"]), {}, lambda x: 1 / (1 + np.exp(-x))),
        (("Mul", ["x", "c"]), {"c": np.float32(3)}, lambda x: x * 3),
        (("Mul", ["c", "x"]), {"c": np.float32([[[1]], [[2]], [[3]]])}, lambda x: x * np.array([1, 2, 3])[:, None, None]),
        (("Sub", ["x", "c"]), {"c": np.float32([0.5])}, lambda x: x - 0.5),
        (("Div", ["x", "c"]), {"c": np.float32(4)}, lambda x: x / 4),
        (("Add", ["x", "x"]), {}, lambda x: 2 * x),
        (("PRelu", ["x", "c"]), {"c": np.float32([[[0.5]], [[0.1]], [[-1]]])},
         lambda x: np.where(x > 0, x, x * np.array([0.5, 0.1, -1])[:, None, None])),
        (("GlobalAveragePool", ["x"]), {}, lambda x: x.mean((2, 3), keepdims=True)),
        (("Transpose", ["x"], {"perm": [0, 2, 3, 1]}), {}, lambda x: x.transpose(0, 2, 3, 1)),
        (("Reshape", ["x", "c"]), {"c": np.array([1, -1])}, lambda x: x.reshape(1, -1)),
        (("Reshape", ["x", "c"]), {"c": np.array([0, 3, 64])}, lambda x: x.reshape(1, 3, 64)),
        (("Softmax", ["x"], {"axis": 1}), {}, lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
        (("Concat", ["x", "x"], {"axis": 1}), {}, lambda x: np.concatenate([x, x], 1)),
        (("Resize", ["x", "", "c"], {"mode": "nearest"}), {"c": np.float32([1, 1, 2, 2])},
         lambda x: x.repeat(2, 2).repeat(2, 3)),
        (("MaxPool", ["x"], {"kernel_shape": [2, 2], "strides": [2, 2]}), {},
         lambda x: x.reshape(1, 3, 4, 2, 4, 2).max((3, 5))),
        (("AveragePool", ["x"], {"kernel_shape": [2, 2], "strides": [2, 2]}), {},
         lambda x: x.reshape(1, 3, 4, 2, 4, 2).mean((3, 5))),
    ],
)  # fmt: skip
def test_operators(tmp_path, batch, node, constants, expected):
    op, inputs, *rest = node
    path = saved(
        tmp_path / "net.onnx", [helper.make_node(op, inputs, ["y"], **(rest[0] if rest else {}))], constants.items()
    )
    assert np.abs(run(path, batch) - expected(batch.astype("float64"))).max() < 1e-5


def test_a_padding_that_differs_between_sides(tmp_path, batch):
    weight = np.ones((1, 3, 3, 3), "float32")
    node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3], pads=[0, 1, 2, 1])
    got = run(saved(tmp_path / "net.onnx", [node], [("w", weight)]), batch)
    padded = np.pad(batch.sum(1)[0], ((0, 2), (1, 1)))
    expected = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).sum((2, 3))
    assert got.shape == (1, 1, 8, 8)
    assert np.abs(got[0, 0] - expected).max() < 1e-4


def test_shapes_are_worked_out_before_anything_runs(tmp_path, batch):
    """Flattening as PyTorch exports it, where the batch size is taken from the image."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "axes"], ["n1"]),
        helper.make_node("Concat", ["n1", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["y"]),
    ]
    constants = [("zero", np.array(0)), ("axes", np.array([0])), ("rest", np.array([-1]))]
    assert run(saved(tmp_path / "net.onnx", nodes, constants), batch).shape == (1, 192)


# --- Bad files ---
def refused(path: Path, match: str, read=embedder_graph) -> None:
    with pytest.raises(PackError, match=match):
        read(path)


@pytest.mark.parametrize("data", [b"", b"not onnx", b"\x80\x04K\x01.", bytes(1000)])
def test_what_is_no_onnx_file_is_a_clear_error(tmp_path, data):
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    refused(path, "not an ONNX")


@pytest.mark.parametrize(("op", "domain"), [("Loop", ""), ("NonMaxSuppression", ""), ("Relu", "com.evil")])
def test_an_unsupported_operator_is_named(tmp_path, op, domain):
    path = saved(tmp_path / "net.onnx", [helper.make_node(op, ["x"], ["y"], domain=domain)])
    refused(path, f"operator {op} is not supported")


def test_external_data_are_not_opened(tmp_path):
    path = saved(tmp_path / "net.onnx", [helper.make_node("Mul", ["x", "c"], ["y"])], [("c", np.float32(1))])
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    refused(path, "external data")


@pytest.mark.parametrize("dims", [[1 << 20, 1 << 20], [1 << 40], [5, 5]])
def test_a_weight_that_claims_more_than_it_holds(tmp_path, dims):
    path = saved(tmp_path / "net.onnx", [helper.make_node("Mul", ["x", "c"], ["y"])], [("c", np.float32([1, 2]))])
    model = onnx.load(path)
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    path.write_bytes(model.SerializeToString())
    refused(path, "claims the shape|not of shape")


def test_gigantic_arrays_on_the_way_are_refused_before_any_is_made(tmp_path):
    scales = np.float32([1, 1, 1 << 13, 1 << 13])
    path = saved(
        tmp_path / "net.onnx", [helper.make_node("Resize", ["x", "", "c"], ["y"], mode="nearest")], [("c", scales)]
    )
    refused(path, "would make an array of")


@pytest.mark.parametrize("shape", [(1, 4, 8, 8), (1, 3, 8), (1, 3, 8, 9)])
def test_an_input_that_is_no_image_is_refused(tmp_path, shape):
    path = saved(tmp_path / "net.onnx", [helper.make_node("Relu", ["x"], ["y"])], shape=shape)
    refused(path, "images are|square")


def test_a_detector_without_landmarks_is_refused(tmp_path):
    node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[8, 8], strides=[8, 8])
    path = saved(tmp_path / "net.onnx", [node], [("w", np.zeros((2, 3, 8, 8), "float32"))], shape=(1, 3, "h", "w"))
    refused(path, "not an SCRFD with five landmarks", scrfd_graph)


# --- The published ones ---
@needs_shared
def test_mobilefacenet_and_scrfd_are_mapped_whole():
    graph, size = embedder_graph(SHARED / "mobilefacenet-onnx" / "MobileFaceNet.onnx")
    assert (size, graph.shapes(import_mxnet(), (5, 3, 112, 112))[graph.outputs[0][0]]) == (112, (5, 128))
    detector = scrfd_graph(SHARED / "scrfd-onnx" / "scrfd_2.5g_bnkps.onnx")
    shapes = detector.shapes(import_mxnet(), (1, 3, 480, 640))
    assert [shapes[node] for node, _ in detector.outputs] == [
        (1, 2 * values, 480 // stride, 640 // stride) for values in (1, 4, 10) for stride in (8, 16, 32)
    ]
