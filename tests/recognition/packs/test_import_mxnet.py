import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from recognition.engine.choose_net import least_cosine
from recognition.engine.graph.fold_batchnorm import fold_dense_batchnorm
from recognition.engine.graph.ir import Graph
from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import Net, load_graph, save_net
from recognition.lab.training.symbols import network, seeded_params
from recognition.packs.import_mxnet import embedder_graph, mtcnn_graphs
from recognition.packs.params_file import read_params

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "models" / "mtcnn-mxnet"


@pytest.fixture
def copy(published, tmp_path) -> Path:
    for path in published.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_a_published_embedder_is_read_as_it_is(published):
    graph, size = embedder_graph(published)
    assert size == 112
    expected = load_graph(published / "model-symbol.json", published / "model-0000.params")
    batch = np.random.default_rng(0).uniform(0, 255, (2, 3, 112, 112)).astype("float32")
    for net in (graph, expected):
        fold_dense_batchnorm(net)
    assert least_cosine(Net(graph, fused=False)(batch), Net(expected, fused=False)(batch)) > 0.9999999


@pytest.mark.parametrize("name", ["r34", "r50"])
def test_the_large_networks_have_the_published_layers(name):
    graph = Graph.from_symbol(network(name), {})
    units = {"r34": 16, "r50": 24}[name]
    operators = [node.op for node in graph.nodes()]
    assert operators.count("Convolution") == 2 * units + 4 + 1
    assert operators.count("LeakyReLU") == units + 1
    assert [node.name for node, _ in graph.outputs] == ["fc1"]


def test_a_net_can_be_given_by_its_prefix_and_the_latest_epoch_counts(copy):
    (copy / "model-0007.params").write_bytes((copy / "model-0000.params").read_bytes())
    (copy / "model-0000.params").write_bytes(b"")
    assert embedder_graph(copy / "model")[1] == 112


def test_our_reader_reads_what_mxnet_writes(published):
    from recognition.engine.mxnet_runtime import import_mxnet

    theirs = import_mxnet().nd.load(str(published / "model-0000.params"))
    ours = read_params(published / "model-0000.params")
    assert len(ours) == len(theirs) > 100
    for name, array in theirs.items():
        assert np.array_equal(ours[name.partition(":")[2]], array.asnumpy())


# --- Bad files ---
def refused(path: Path, match: str) -> None:
    with pytest.raises(PackError, match=match):
        embedder_graph(path)


def test_an_unknown_operator_is_named(copy):
    content = json.loads((copy / "model-symbol.json").read_text())
    content["nodes"][5]["op"] = "Custom"
    (copy / "model-symbol.json").write_text(json.dumps(content))
    refused(copy, "not supported: Custom")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"nodes": 3}', '{"nodes": [{}]}', "[" * 100_000])
def test_a_damaged_symbol_is_a_clear_error(copy, text):
    (copy / "model-symbol.json").write_text(text)
    refused(copy, "not an MXNet symbol")


def test_a_pickle_is_not_opened(copy, tmp_path):
    mark = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return Path.touch, (mark,)

    (copy / "model-0000.params").write_bytes(pickle.dumps(Hostile()))
    refused(copy, "pickle")
    assert not mark.exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_cut_off_params_file_is_a_clear_error(copy, share):
    data = (copy / "model-0000.params").read_bytes()
    (copy / "model-0000.params").write_bytes(data[: int(len(data) * share)])
    refused(copy, r"not a complete params file.*Fetch it again")


def test_a_params_file_that_claims_gigantic_shapes_is_refused(copy):
    array = struct.pack("<IiI3qiii", 0xF993FAC9, 0, 3, 1 << 40, 1 << 20, 8, 1, 0, 0)
    (copy / "model-0000.params").write_bytes(struct.pack("<QQQ", 0x112, 0, 1) + array)
    refused(copy, "ends too early")


def test_params_of_another_net_are_named(copy):
    symbol = network("mbf", 256)
    save_net(symbol, seeded_params(symbol), copy, "model")
    symbol = network("mbf", 128)
    symbol.save(str(copy / "model-symbol.json"))
    refused(copy, r"has the shape \(256,.*\(128,")


def test_missing_params_are_named(copy):
    symbol = network("mbf", 128)
    params = seeded_params(symbol)
    del params["pre_fc1_bias"]
    save_net(symbol, params, copy, "model")
    refused(copy, "lack pre_fc1_bias")


def test_a_folder_without_a_net_says_what_is_expected(tmp_path):
    refused(tmp_path, "should hold one file .*-symbol.json, but holds 0")


@pytest.mark.skipif(not SHARED.exists(), reason="InsightFace's det1–det3 are not here")
def test_insightfaces_mtcnn_computes_what_the_default_packs_does(pack_dir):
    """The same weights, published twice: for MXNet in BGR, and for Keras in RGB."""
    for name, graph in mtcnn_graphs(SHARED).items():
        ours = load_graph(pack_dir / f"{name}-symbol.json", pack_dir / f"{name}-0000.params")
        size = {"pnet": 40, "rnet": 24, "onet": 48}[name]
        batch = np.random.default_rng(1).uniform(-1, 1, (2, 3, size, size)).astype("float32")
        for theirs, expected in zip(Net(graph)(batch), Net(ours)(batch), strict=True):
            assert np.abs(theirs - expected).max() < 1e-5
