"""Every pass must keep what a net computes, and report what it did or that it did nothing."""

import numpy as np
import pytest

from recognition.engine import cpu
from recognition.engine.choose_net import LEAST_COSINE, choose_net, least_cosine
from recognition.engine.graph.cast_bfloat16 import bfloat16_params, cast_bfloat16
from recognition.engine.graph.fold_batchnorm import fold_batchnorm, fold_dense_batchnorm
from recognition.engine.graph.ir import Graph
from recognition.engine.graph.join_heads import join_heads
from recognition.engine.graph.pad_channels import pad_channels
from recognition.engine.graph.passes import rewrite
from recognition.engine.graph.pool_first import pool_first
from recognition.engine.graph.replace_prelu import replace_prelu
from recognition.engine.graph.strip_scaling import strip_scaling
from recognition.engine.mxnet_runtime import import_mxnet
from recognition.engine.runnable import DeviceError
from recognition.lab.training.symbols import network, seeded_params
from tests.recognition.engine.nets import drawn, noise, published, run

EXACT = LEAST_COSINE["fp32"]
needs_bfloat16 = pytest.mark.skipif(
    cpu.prepare().bfloat16 == "none", reason="this processor has no AVX-512, so oneDNN computes no bfloat16"
)


@pytest.fixture(scope="module")
def sym():
    return import_mxnet().sym


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes()]


def assert_same(before: Graph, after: Graph, batch: np.ndarray, least: float = EXACT) -> None:
    fold_dense_batchnorm(before)  # MXNet can crash on these; folding them alone is the simplest case of the pass
    assert least_cosine(run(after, batch), run(before, batch)) >= least


@pytest.mark.parametrize("name", ["r18", "mbf"])
def test_a_published_net_is_rewritten_whole_and_computes_the_same(name):
    graph = published(name)
    fast = rewrite(graph, "fp32")
    left = set(ops(fast.graph)) - {"null", "Convolution", "FullyConnected", "Activation", "elemwise_add", "Flatten"}
    assert left <= {"Dropout"}
    assert "left alone" not in str(fast.report)
    assert_same(graph, fast.graph, noise(2, 3, 112, 112))


def test_rewriting_leaves_the_given_graph_alone():
    graph = published("mbf")
    before, names = run(published("mbf"), noise(1, 3, 112, 112)), ops(graph)
    rewrite(graph, "bf16")
    assert ops(graph) == names
    assert set(graph.params) == set(published("mbf").params)
    assert np.array_equal(run(graph, noise(1, 3, 112, 112))[0], before[0])


@pytest.mark.parametrize("amx", [False, True])
def test_bfloat16_casts_input_output_and_params_once(amx):
    fast = rewrite(published("mbf"), "bf16", amx=amx).graph
    assert ops(fast).count("amp_cast") == 2  # of the input and the output
    assert bfloat16_params(fast) == set(fast.params)


@needs_bfloat16
@pytest.mark.parametrize("amx", [False, True])
def test_bfloat16_stays_near(amx):
    graph = published("mbf")
    fast = rewrite(graph, "bf16", amx=amx).graph
    assert_same(graph, fast, noise(2, 3, 112, 112), LEAST_COSINE["bf16"])


def test_the_scaling_of_the_input_is_returned_as_numbers():
    symbol = network("mbf", 64)
    whole = Graph.from_symbol(symbol, seeded_params(symbol))
    rest = whole.copy()
    scaling = strip_scaling(rest)
    assert (scaling.factor, scaling.offset) == (0.0078125, -127.5 * 0.0078125)
    fold_dense_batchnorm(whole)
    fold_dense_batchnorm(rest)
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 3, 112, 112)).astype("float32")
    scaled = run(rest, pixels * np.float32(scaling.factor) + np.float32(scaling.offset))
    assert least_cosine(scaled, run(whole, pixels)) >= EXACT


# --- BatchNorm ---
def test_a_batchnorm_before_a_padded_convolution_moves_along_the_residual_stream(sym):
    data = sym.Convolution(sym.var("data"), num_filter=8, kernel=(3, 3), name="stem")
    for unit in range(3):
        out = sym.BatchNorm(data, fix_gamma=False, name=f"norm{unit}")
        out = sym.Convolution(out, num_filter=8, kernel=(3, 3), pad=(1, 1), no_bias=True, name=f"conv{unit}")
        data = data + out
    graph = drawn(sym.BatchNorm(data, fix_gamma=False, name="last") * 1.0, data=(1, 3, 9, 9))
    fast = graph.copy()
    report = fold_batchnorm(fast)
    assert report == "3 of 4 folded; left alone: last"  # no layer after it can take it
    assert_same(graph, fast, noise(2, 3, 9, 9))


def test_a_batchnorm_that_no_layer_can_take_is_left_alone(sym):
    relu = sym.Activation(sym.var("data"), act_type="relu", name="relu")
    norm = sym.BatchNorm(relu, fix_gamma=False, name="norm")
    graph = drawn(sym.Convolution(norm, num_filter=4, kernel=(3, 3), pad=(1, 1), name="conv"), data=(1, 3, 8, 8))
    fast = graph.copy()
    assert fold_batchnorm(fast) == "0 of 1 folded; left alone: norm"
    assert ops(fast) == ops(graph)
    assert_same(graph, fast, noise(1, 3, 8, 8))


def test_a_gamma_near_zero_is_left_alone(sym):
    data = sym.Convolution(sym.var("data"), num_filter=4, kernel=(1, 1), name="stem")
    norm = sym.BatchNorm(data, fix_gamma=False, name="norm")
    out = sym.Convolution(norm, num_filter=4, kernel=(3, 3), pad=(1, 1), name="conv") + data
    graph = drawn(out, data=(1, 3, 8, 8))
    graph.params["norm_gamma"] = graph.params["norm_gamma"] * np.float32([1, 1e-9, 1, 1])
    fast = graph.copy()
    assert "left alone: norm" in fold_batchnorm(fast)
    assert_same(graph, fast, noise(1, 3, 8, 8))


# --- PReLU ---
def prelu_net(sym, slopes, *, pooled: bool):
    data = sym.Convolution(sym.var("data"), num_filter=len(slopes), kernel=(3, 3), name="first")
    data = sym.LeakyReLU(data, act_type="prelu", name="prelu")
    if pooled:
        data = sym.Pooling(data, pool_type="max", kernel=(2, 2), stride=(2, 2), pooling_convention="full")
    graph = drawn(sym.Convolution(data, num_filter=5, kernel=(3, 3), name="second"), data=(1, 3, 13, 13))
    graph.params["prelu_gamma"] = np.array(slopes, "float32")
    return graph


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("slopes", [[0.1, 0.9, -0.4], [0.2, 1.3, -1.2], [1.0, 0.0, 0.5]])
def test_any_slopes_can_be_replaced(sym, slopes, pooled):
    graph = prelu_net(sym, slopes, pooled=pooled)
    fast = graph.copy()
    assert replace_prelu(fast) == "all 1 replaced"
    assert "LeakyReLU" not in ops(fast)
    assert_same(graph, fast, noise(2, 3, 13, 13))


def test_equal_slopes_become_a_leaky_relu(sym):
    graph = prelu_net(sym, [0.25] * 3, pooled=False)
    fast = graph.copy()
    replace_prelu(fast)
    assert [node.value("act_type") for node in fast.nodes() if node.op == "LeakyReLU"] == ["leaky"]
    assert_same(graph, fast, noise(1, 3, 13, 13))


def test_slopes_between_fully_connected_layers(sym):
    data = sym.FullyConnected(sym.var("data"), num_hidden=6, name="first")
    data = sym.LeakyReLU(data, act_type="prelu", name="prelu")
    heads = [sym.FullyConnected(data, num_hidden=n, name=f"head{n}") for n in (4, 2)]
    graph = drawn(sym.Group(heads), data=(1, 3, 4, 4))
    graph.params["prelu_gamma"] = np.array([0.3, -0.7, 1.4, 0, 1, 0.1], "float32")
    fast = graph.copy()
    assert replace_prelu(fast) == "all 1 replaced"
    assert_same(graph, fast, noise(3, 3, 4, 4))


@pytest.mark.parametrize("slopes", [[1.02, 0.5, 0.98], [-0.3, 1.0005, 0.2], [0.9995, 4.0, -2.0]])
@pytest.mark.parametrize("pooled", [False, True])
def test_slopes_near_one_cost_no_accuracy(sym, slopes, pooled):
    graph = prelu_net(sym, slopes, pooled=pooled)
    batch = noise(2, 3, 13, 13)
    for fast in (graph.copy(), rewrite(graph, "fp32").graph):
        replace_prelu(fast)
        for after, before in zip(run(fast, batch), run(graph, batch), strict=True):
            assert np.abs(after - before).max() <= 1e-5 * np.abs(before).max()


def test_a_slope_above_one_needs_one_convolution_where_no_pooling_follows(sym):
    fast = prelu_net(sym, [0.2, 1.3, -1.2], pooled=False)
    replace_prelu(fast)
    assert ops(fast).count("Convolution") == 3


# --- Max pooling ---
def where(graph: Graph, op: str) -> int:
    return ops(graph).index(op)


@pytest.mark.parametrize("slopes", [[0.1, 0.9, 0.0], [-0.4, 0.3, 1.7], [-2.0, -1.0, -0.1], [1.0, 1.0, -1.0]])
def test_a_max_pooling_goes_before_the_prelu(sym, slopes):
    graph = prelu_net(sym, slopes, pooled=True)
    fast = graph.copy()
    assert pool_first(fast, 16) == "1 max poolings before their PReLU"
    activation = "LeakyReLU" if min(slopes) >= 0 else "Activation"
    assert where(fast, "Pooling") < where(fast, activation)
    assert_same(graph, fast, noise(2, 3, 13, 13))
    assert_same(graph, rewrite(graph, "fp32").graph, noise(2, 3, 13, 13))


@pytest.mark.parametrize("slopes", [[0.1, 0.9, 0.2, 1.4] * 4, [-0.1, 0.9, 0.2, 1.4] * 4])
def test_channels_of_their_own_only_where_they_are_padded_anyway(sym, slopes):
    graph = prelu_net(sym, slopes, pooled=True)
    fast = graph.copy()
    assert pool_first(fast, 16).startswith("1" if min(slopes) >= 0 else "no")
    assert_same(graph, fast, noise(1, 3, 13, 13))


def test_what_is_read_twice_or_averaged_is_left_alone(sym):
    prelu = sym.LeakyReLU(sym.Convolution(sym.var("data"), num_filter=3, kernel=(3, 3)), act_type="prelu", name="prelu")
    read = {"kernel": (2, 2), "stride": (2, 2)}
    averaged, greatest = (sym.Pooling(prelu, pool_type=kind, **read) for kind in ("avg", "max"))
    for net in (averaged, sym.Group([averaged, greatest])):
        graph = drawn(net, data=(1, 3, 10, 10))
        fast = graph.copy()
        assert pool_first(fast, 16) == "no max pooling to move before a PReLU"
        assert ops(fast) == ops(graph)


# --- Channels and heads ---
@pytest.mark.parametrize("multiple", [16, 32])
def test_channels_are_padded_through_sums_pools_and_dense_layers(sym, multiple):
    data = sym.Convolution(sym.var("data"), num_filter=20, kernel=(3, 3), pad=(1, 1), name="a")
    deep = sym.Convolution(data, num_filter=20, num_group=20, kernel=(3, 3), pad=(1, 1), name="depthwise")
    data = sym.Activation(deep + data, act_type="relu")
    data = sym.Pooling(data, kernel=(2, 2), stride=(2, 2), pool_type="max")
    graph = drawn(sym.FullyConnected(data, num_hidden=7, name="dense"), data=(1, 3, 8, 8))
    fast = graph.copy()
    assert pad_channels(fast, multiple) == f"1 convolutions padded to a multiple of {multiple} channels"
    assert {node.value("num_filter") for node in fast.nodes() if node.op == "Convolution"} == {32}
    assert_same(graph, fast, noise(2, 3, 8, 8))


def test_channels_are_padded_to_half_the_width_if_the_full_one_would_be_mostly_padding(sym):
    data = sym.Convolution(sym.var("data"), num_filter=12, kernel=(3, 3), name="a")
    graph = drawn(sym.FullyConnected(data, num_hidden=7, name="dense"), data=(1, 3, 8, 8))
    pad_channels(graph, 32)
    assert {node.value("num_filter") for node in graph.nodes() if node.op == "Convolution"} == {16}
    tiny = drawn(sym.Convolution(sym.Convolution(sym.var("data"), num_filter=5, kernel=(1, 1)), num_filter=16, kernel=(1, 1)),
                 data=(1, 3, 8, 8))  # fmt: skip
    assert pad_channels(tiny, 32) == "no channels to pad to 32"


def test_channels_that_other_operators_depend_on_are_not_padded(sym):
    data = sym.Convolution(sym.var("data"), num_filter=10, kernel=(3, 3), name="conv")
    graph = drawn(sym.Group([sym.transpose(data, axes=(0, 2, 3, 1)), data]), data=(1, 3, 8, 8))
    fast = graph.copy()
    assert pad_channels(fast, 16) == "no channels to pad to 16"
    assert [out.shape for out in run(fast, noise(1, 3, 8, 8))] == [(1, 6, 6, 10), (1, 10, 6, 6)]


def test_joined_heads_compute_the_same(sym):
    data = sym.Convolution(sym.var("data"), num_filter=16, kernel=(3, 3), name="body")
    box = sym.Convolution(data, num_filter=4, kernel=(1, 1), name="box")
    score = sym.Convolution(data, num_filter=2, kernel=(1, 1), name="score")
    face = sym.slice_axis(sym.softmax(score, axis=1), axis=1, begin=1, end=2)
    graph = drawn(sym.Group([box, face]), data=(1, 3, 8, 8))
    fast = graph.copy()
    assert join_heads(fast, 16) == "2 joined into 1; 1 two-class softmax as sigmoid"
    assert ops(fast).count("Convolution") == 2
    for before, after in zip(run(graph, noise(2, 3, 8, 8)), run(fast, noise(2, 3, 8, 8)), strict=True):
        assert np.abs(before - after).max() < 1e-6


@pytest.mark.parametrize("name", ["pnet", "rnet", "onet", "embedder"])
def test_the_default_packs_nets_compute_the_same(pack_dir, name):
    from recognition.engine.mxnet_runtime import load_graph

    size = {"pnet": 40, "rnet": 24, "onet": 48, "embedder": 150}[name]
    graph = load_graph(pack_dir / f"{name}-symbol.json", pack_dir / f"{name}-0000.params")
    batch = noise(3, 3, size, size) * (100 if name == "embedder" else 1)
    fast = rewrite(graph, "fp32").graph
    for before, after in zip(run(graph, batch), run(fast, batch, fused=True), strict=True):
        assert np.abs(before - after).max() < 5e-6


# --- The choice ---
def test_a_fast_net_that_differs_is_refused(monkeypatch):
    """A broken pass may cost speed, but no face."""
    import recognition.engine.net_forms as module

    def broken(graph, precision, **options):
        rewritten = rewrite(graph, precision, **options)
        name = next(name for name in rewritten.graph.params if name.startswith("conv_6sep"))
        rewritten.graph.params[name] = -rewritten.graph.params[name]
        return rewritten

    monkeypatch.setattr(module, "rewrite", broken)
    batch = noise(2, 3, 112, 112)
    net, choice = choose_net(published("mbf"), batch)
    assert "refused" in choice.why
    assert choice.why.endswith("as published")
    plain = published("mbf")
    fold_dense_batchnorm(plain)
    assert least_cosine(net(batch), run(plain, batch)) >= EXACT


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bfloat16)])
def test_a_precision_asked_for_is_used(precision):
    _, choice = choose_net(published("mbf"), noise(2, 3, 112, 112), precision=precision)
    assert choice.precision == precision
    assert choice.cosine >= LEAST_COSINE[precision]
    assert set(choice.report) >= {"PReLU", "BatchNorm", "channels"}


@pytest.fixture
def processor(monkeypatch):
    """Lets choose_net believe that it runs on a processor that has, emulates or lacks bfloat16."""

    def pretend(bfloat16: cpu.Bfloat16) -> None:
        made_up = cpu.Processor("A processor", amx=False, bfloat16=bfloat16, note="no AMX")
        monkeypatch.setattr(cpu, "prepare", lambda: made_up)

    return pretend


@pytest.mark.parametrize("use", ["auto", "asked", "never"])
def test_bfloat16_asked_of_a_processor_without_it_is_an_error(processor, use):
    """Also for a net that would not use it: a worker has to fail at its start, not at some later net."""
    processor("none")
    with pytest.raises(DeviceError, match=r"A processor.* cannot compute bfloat16.* FACEPLATFORM_PRECISION=auto"):
        choose_net(published("mbf"), noise(2, 3, 112, 112), precision="bf16", bfloat16=use)


@pytest.mark.parametrize("bfloat16", ["none", "emulated"])
def test_auto_takes_float32_where_bfloat16_has_no_instructions(processor, bfloat16):
    processor(bfloat16)
    _, choice = choose_net(published("mbf"), noise(2, 3, 112, 112))
    assert (choice.precision, choice.why) == ("fp32", "no AMX, no AVX512-BF16")
    assert choice.report


@needs_bfloat16
def test_emulated_bfloat16_is_used_only_when_asked_for(processor):
    processor("emulated")
    _, choice = choose_net(published("mbf"), noise(2, 3, 112, 112), precision="bf16")
    assert (choice.precision, choice.why) == ("bf16", "FACEPLATFORM_PRECISION=bf16, emulated by this processor")


@pytest.mark.parametrize(("speedup", "precision"), [(0.9, "fp32"), pytest.param(1.3, "bf16", marks=needs_bfloat16)])
def test_auto_takes_bfloat16_only_where_it_is_faster(processor, monkeypatch, speedup, precision):
    processor("native")
    monkeypatch.setattr("recognition.engine.net_forms._bfloat16_speedup", lambda nets, probe: speedup)
    _, choice = choose_net(published("mbf"), noise(2, 3, 112, 112))
    assert choice.precision == precision
    assert f"measured {speedup:.2f}x" in choice.why


def test_cast_reports_if_there_is_nothing_to_cast(sym):
    graph = Graph.from_symbol(sym.softmax(sym.var("data")), {})
    assert cast_bfloat16(graph) == "nothing that bfloat16 suits"
    assert ops(graph) == ["null", "softmax"]


@needs_bfloat16
def test_bfloat16_keeps_real_faces_where_they_were(pipeline, exact_pipeline, pack_dir, hopper, collins, both):
    """The cosine is at least 0.998, and no distance between faces changes by 0.01 or more."""
    from recognition.engine.pipeline import Pipeline

    bfloat16 = Pipeline.load(pack_dir, precision="bf16")
    photos = [hopper, collins, both]
    vectors = [
        np.stack(
            [face.embedding for analysis in loaded.analyse(photos, purposes=["probe"] * 3) for face in analysis.faces]
        )
        for loaded in (bfloat16, exact_pipeline)
    ]
    assert least_cosine(vectors[:1], vectors[1:]) >= LEAST_COSINE["bf16"]
    apart = [np.linalg.norm(one[:, None] - one[None], axis=2) for one in vectors]
    assert np.abs(apart[0] - apart[1]).max() < 0.01
