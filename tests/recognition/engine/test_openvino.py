"""The optional second runtime: it gives what the published nets give, or it is not used."""

import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recognition.engine import choose_net as choosing
from recognition.engine import cpu, openvino_runtime, pack_nets
from recognition.engine.choose_net import LEAST_COSINE, choose_net, least_cosine
from recognition.engine.faults import lacks_memory
from recognition.engine.graph.fold_batchnorm import fold_dense_batchnorm
from recognition.engine.graph.ir import Graph
from recognition.engine.mxnet_mtcnn import MtcnnDetector
from recognition.engine.mxnet_runtime import import_mxnet, load_graph
from recognition.engine.openvino_runtime import OpenVino, OpenVinoNet
from recognition.engine.pack_nets import PackNets
from recognition.engine.pipeline import Pipeline
from recognition.engine.runnable import DeviceError, NetError
from tests.recognition.engine.nets import noise, published, run

ROOT = Path(__file__).resolve().parents[3]
INSTALLED = importlib.util.find_spec("openvino") is not None
needs_bfloat16 = pytest.mark.skipif(cpu.prepare().bfloat16 == "none", reason="this processor has no AVX-512")
needs_openvino = pytest.mark.skipif(
    not INSTALLED or bool(openvino_runtime.refuses_memory()),
    reason="OpenVINO is not installed (requirements-openvino.txt), or this system may refuse memory",
)
FACES = noise(2, 3, 112, 112)


@pytest.fixture
def data_dir(tmp_path):
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.fixture
def measured(monkeypatch):
    """Lets choose_net believe that OpenVINO is so many times as fast as MXNet; None: it must not measure."""

    def pretend(ratio: float | None) -> None:
        monkeypatch.setattr(choosing, "speedup", lambda *_: ratio or pytest.fail("it was measured again"))

    return pretend


@pytest.fixture
def absent(monkeypatch):
    """As where it is not installed."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "openvino"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openvino", None)


def pack_graph(folder: Path, name: str) -> Graph:
    return load_graph(folder / f"{name}-symbol.json", folder / f"{name}-0000.params")


# --- The same results ---
@needs_openvino
@pytest.mark.parametrize(
    ("name", "shape", "batches"),
    [
        ("pnet", ("n", 3, "h", "w"), [(1, 3, 96, 128), (1, 3, 336, 192), (1, 3, 48, 64)]),
        ("rnet", ("n", 3, 24, 24), [(1, 3, 24, 24), (48, 3, 24, 24), (2, 3, 24, 24)]),
        ("onet", ("n", 3, 48, 48), [(4, 3, 48, 48), (16, 3, 48, 48)]),
        ("embedder", ("n", 3, 112, 112), [(1, 3, 112, 112), (8, 3, 112, 112), (2, 3, 112, 112)]),
    ],
)
def test_the_default_packs_nets_compute_the_same_at_every_size(sface_dir, name, shape, batches):
    graph = pack_graph(sface_dir, name)
    net = OpenVino().compile(graph, shape, "fp32")
    for batch in batches:
        pixels = noise(*batch) * (100 if name == "embedder" else 1)
        assert least_cosine(net(pixels), run(graph, pixels)) >= LEAST_COSINE["fp32"]


@needs_openvino
@pytest.mark.parametrize("name", ["mbf", "r50"])
def test_a_trained_packs_kind_of_net_computes_the_same(name):
    graph = published(name)
    fold_dense_batchnorm(plain := graph.copy())
    net = OpenVino().compile(graph, ("n", 3, 112, 112), "fp32")
    assert least_cosine(net(FACES), run(plain, FACES)) >= LEAST_COSINE["fp32"]


@needs_openvino
def test_results_of_an_earlier_batch_stay_as_they_were():
    net = OpenVino().compile(published("mbf"), ("n", 3, 112, 112), "fp32")
    [first] = net(FACES)
    before = first.copy()
    net(noise(2, 3, 112, 112, seed=1))
    assert (first == before).all()


@needs_openvino
def test_photos_of_many_sizes_give_the_same_faces(sface_dir, hopper, collins, both, data_dir):
    ours = Pipeline.load(sface_dir, precision="fp32")
    theirs = Pipeline.load(sface_dir, precision="fp32", runtime="openvino", cache_dir=data_dir / "compiled")
    assert {net["runtime"] for net in theirs.engine["nets"]} == {"openvino"}
    purposes = ["probe", "enrol", "probe"]
    for a, b in zip(
        ours.analyse([hopper, collins, both], purposes=purposes),
        theirs.analyse([hopper, collins, both], purposes=purposes),
        strict=True,
    ):
        assert len(a.faces) == len(b.faces) > 0
        for one, other in zip(a.faces, b.faces, strict=True):
            assert np.abs(one.landmarks - other.landmarks).max() < 0.05  # px
            assert one.embedding @ other.embedding > 0.9999


# --- The choice ---
@needs_openvino
@pytest.mark.parametrize(("ratio", "runtime"), [(1.3, "openvino"), (0.9, "mxnet")])
def test_auto_takes_it_only_where_it_is_faster(measured, ratio, runtime):
    measured(ratio)
    _, choice = choose_net(published("mbf"), FACES, precision="fp32", openvino=OpenVino())
    assert choice.runtime == runtime
    assert choice.cosine >= LEAST_COSINE["fp32"]
    assert choice.why == f"FACEPLATFORM_PRECISION=fp32; OpenVINO measured {ratio:.2f}x as fast as MXNet"


@needs_openvino
def test_it_is_really_measured():
    _, choice = choose_net(published("mbf"), FACES, precision="fp32", openvino=OpenVino())
    assert "OpenVINO measured" in choice.why


@needs_openvino
def test_asked_for_it_is_not_measured(measured):
    measured(None)
    _, choice = choose_net(published("mbf"), FACES, openvino=OpenVino(required=True))
    assert choice.runtime == "openvino"
    assert choice.why.endswith("FACEPLATFORM_RUNTIME=openvino")


@needs_openvino
@pytest.mark.parametrize("required", [True, False])
def test_a_result_that_differs_is_refused(monkeypatch, measured, required):
    """It may cost speed, but no face."""
    measured(None)
    real = OpenVinoNet.__call__

    def wrong(self, batch):
        return [output + output.std() for output in real(self, batch)]

    monkeypatch.setattr(OpenVinoNet, "__call__", wrong)
    graph = published("mbf")
    net, choice = choose_net(graph, FACES, precision="fp32", openvino=OpenVino(required=required))
    assert choice.runtime == "mxnet"
    assert "OpenVINO: fp32 refused: cosine 0." in choice.why
    fold_dense_batchnorm(graph)
    assert least_cosine(net(FACES), run(graph, FACES)) >= LEAST_COSINE["fp32"]


@needs_openvino
def test_a_net_that_it_cannot_run_falls_back_alone(sface_dir, monkeypatch, measured):
    measured(1.3)
    nets = PackNets(sface_dir, runtime="auto")
    export = openvino_runtime.onnx_bytes
    refused = pack_graph(sface_dir, "rnet").content()

    def refuse(graph, *, data):
        if graph.content() == refused:
            raise KeyError("the operator Softmax cannot be exported")
        return export(graph, data=data)

    monkeypatch.setattr(openvino_runtime, "onnx_bytes", refuse)
    for name, size in (("rnet", 24), ("onet", 48)):
        nets.load(name, noise(8, 3, size, size), bfloat16="never")
    assert [choice.runtime for choice in nets.choices.values()] == ["mxnet", "openvino"]
    assert "OpenVINO: fp32 refused" in nets.choices["rnet"].why
    assert "cannot be exported" in nets.choices["rnet"].why


@needs_openvino
def test_an_operator_that_is_not_exported_is_named():
    sym = import_mxnet().sym
    graph = Graph.from_symbol(sym.LRN(sym.var("data"), nsize=3), {})
    net, choice = choose_net(graph, noise(1, 3, 8, 8), precision="fp32", openvino=OpenVino(required=True))
    assert choice.runtime == "mxnet"
    assert "the operator LRN cannot be exported" in choice.why
    assert net(noise(1, 3, 8, 8))[0].shape == (1, 3, 8, 8)


@needs_openvino
def test_a_batch_that_does_not_fit_is_a_fault_of_the_net():
    net = OpenVino().compile(published("mbf"), ("n", 3, 112, 112), "fp32")
    with pytest.raises(NetError):
        net(noise(1, 3, 112, 96))
    assert net(FACES)[0].shape == (2, 128)


@needs_openvino
def test_bfloat16_is_used_only_where_it_computes_it(monkeypatch, measured):
    """Then it meets the bar of bfloat16; elsewhere it says so, and float32 is tried."""
    measured(1.3)
    made_up = cpu.Processor("A processor", amx=True, bfloat16="native", note="AMX on")
    monkeypatch.setattr(cpu, "prepare", lambda: made_up)
    openvino = OpenVino(required=True)
    _, choice = choose_net(published("mbf"), FACES, openvino=openvino)
    if "BF16" in openvino._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        assert (choice.precision, choice.cosine >= LEAST_COSINE["bf16"]) == ("bf16", True)
    else:
        assert choice.precision == "fp32"
        assert "bf16 refused: OpenVINO does not compute bfloat16 on this processor" in choice.why


@needs_openvino
@needs_bfloat16
def test_a_detector_is_run_in_bfloat16_only_where_that_is_asked_for(sface_dir, hopper):
    """Its boxes then differ a little: faces are found all the same."""
    ran = {}
    for runtime, precision in (("openvino", "auto"), ("openvino", "bf16"), ("mxnet", "bf16")):
        nets = PackNets(sface_dir, runtime=runtime, precision=precision)
        detector = MtcnnDetector(nets)
        ran[runtime, precision] = {choice.precision for choice in nets.choices.values()}
        assert len(detector.detect([np.asarray(Image.open(io.BytesIO(hopper)))])[0]) == 1
    computes = "BF16" in OpenVino()._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert ran == {
        ("openvino", "auto"): {"fp32"},
        ("openvino", "bf16"): {"bf16" if computes else "fp32"},
        ("mxnet", "bf16"): {"fp32"},
    }


# --- The second start ---
@needs_openvino
def test_the_second_start_neither_compiles_nor_measures(measured, monkeypatch, data_dir):
    graph, cache_dir = published("mbf"), data_dir / "compiled"
    measured(1.3)
    net, _ = choose_net(graph, FACES, precision="fp32", openvino=OpenVino(cache_dir=cache_dir))
    measured(None)
    monkeypatch.setattr(openvino_runtime, "onnx_bytes", lambda *_, **__: pytest.fail("it was compiled again"))
    monkeypatch.setattr(choosing, "RewrittenForms", lambda *_: pytest.fail("MXNet's form was made"))
    again, choice = choose_net(graph, FACES, precision="fp32", openvino=OpenVino(cache_dir=cache_dir))
    assert choice.runtime == "openvino"
    assert choice.why.endswith("OpenVINO measured 1.30x as fast as MXNet at an earlier start")
    assert np.array_equal(net(FACES)[0], again(FACES)[0])


@needs_openvino
def test_a_net_that_was_slower_is_not_compiled_again(measured, monkeypatch, data_dir):
    measured(0.8)
    graph = published("mbf")
    openvino = OpenVino(cache_dir=data_dir / "compiled")
    choose_net(graph, FACES, precision="fp32", openvino=openvino)
    measured(None)
    monkeypatch.setattr(OpenVino, "compile", lambda *_: pytest.fail("it was compiled"))
    _, choice = choose_net(graph, FACES, precision="fp32", openvino=openvino)
    assert (choice.runtime, "OpenVINO measured 0.80x" in choice.why) == ("mxnet", True)


@needs_openvino
def test_another_net_or_precision_is_another_entry(measured, data_dir):
    measured(1.3)
    graph = published("mbf")
    openvino = OpenVino(cache_dir=data_dir / "compiled")
    choose_net(graph, FACES, precision="fp32", openvino=openvino)
    assert openvino.recall_speedup(graph, "fp32", "auto") == 1.3
    assert openvino.recall_speedup(graph, "auto", "auto") is None
    name = next(iter(graph.params))
    graph.params[name] = graph.params[name] * 1.01
    assert openvino.recall_speedup(graph, "fp32", "auto") is None


@needs_openvino
def test_a_model_that_it_does_not_take_is_compiled_again(data_dir):
    """As after an upgrade that changed its format."""
    openvino = OpenVino(cache_dir=data_dir / "compiled")
    graph, shape = published("mbf"), ("n", 3, 112, 112)
    expected = openvino.compile(graph, shape, "fp32")(FACES)
    [entry] = (data_dir / "compiled").iterdir()
    openvino._cache.write(entry.stem, b"something else")
    assert least_cosine(openvino.compile(graph, shape, "fp32")(FACES), expected) >= LEAST_COSINE["fp32"]
    assert len(openvino._cache.read(entry.stem)) > 1000  # and kept


# --- Memory ---
SHORT = """
import resource, numpy as np
from recognition.engine import openvino_runtime
from tests.recognition.engine.nets import noise, published
net = openvino_runtime.OpenVino().compile(published("mbf"), ("n", 3, 112, 112), "fp32")
batches = [noise(count, 3, 112, 112) for count in (1, 64, 9, 9, 64)]
net(batches[0])
data = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (int(data) * 1024 + 2**20, resource.RLIM_INFINITY))
limited, given = openvino_runtime.refuses_memory(), []
for batch in batches[1:]:
    try:
        given.append(net(batch)[0])
    except (openvino_runtime.NetError, MemoryError):
        given.append(None)
resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
wrong = [one is not None and not np.allclose(one, net(batch)[0], atol=1e-3) for one, batch in zip(given, batches[1:])]
print(limited, any(one is None for one in given), any(wrong), sep=";")
"""


@needs_openvino
def test_where_memory_is_short_it_gives_an_error_and_not_what_it_gave_before():
    """OpenVINO 2026.4 itself returns, and raises nothing."""
    here = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    ran = subprocess.run([sys.executable, "-c", SHORT], cwd=ROOT, env=here, capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "ulimit -d limits memory;True;False", ran.stderr


@needs_openvino
def test_results_of_before_are_not_taken_for_new_ones():
    """Also those of a batch of the same size."""
    net = OpenVino().compile(published("mbf"), ("n", 3, 112, 112), "fp32")
    [given] = net(FACES)
    kept = given.copy()

    class Idle:
        output_tensors = net._request.output_tensors

        def infer(self, inputs, **options):
            return {0: self.output_tensors[0].data.copy()}

    net._request = Idle()
    with pytest.raises(NetError, match="not enough memory") as raised:
        net(FACES)
    assert lacks_memory(raised.value), "the worker starts anew"
    assert np.array_equal(given, kept), "what was given stays"


@needs_openvino
def test_it_is_not_used_where_the_system_may_refuse_memory(monkeypatch, sface_dir):
    monkeypatch.setattr(pack_nets, "refuses_memory", lambda: "vm.overcommit_memory is 2")
    assert PackNets(sface_dir, runtime="auto").note == "MXNet alone, because vm.overcommit_memory is 2"
    with pytest.raises(DeviceError, match=r"vm\.overcommit_memory is 2.*Lift that limit"):
        PackNets(sface_dir, runtime="openvino")


# --- Not installed ---
def test_auto_says_that_it_is_not_installed(absent, sface_dir):
    nets = PackNets(sface_dir, runtime="auto")
    nets.load("onet", noise(8, 3, 48, 48), bfloat16="never")
    described = nets.describe()
    assert described["runtime"] == "MXNet alone, OpenVINO is not installed"
    assert [net["runtime"] for net in described["nets"]] == ["mxnet"]


def test_asked_for_it_names_the_requirements(absent, sface_dir):
    with pytest.raises(DeviceError, match=r"pip install -r requirements-openvino\.txt.*FACEPLATFORM_RUNTIME=auto"):
        PackNets(sface_dir, runtime="openvino")
    assert (ROOT / "requirements-openvino.txt").exists()


@pytest.mark.parametrize("command", [["packs", "verify", "sface"], ["recognition_worker"]])
def test_a_command_asked_for_it_says_so_and_fails(sface_dir, tmp_path, command):
    """A worker too must fail before it takes a photo."""
    (tmp_path / "openvino.py").write_text("raise ImportError('No module named openvino')\n")
    environment = os.environ | {"FACEPLATFORM_RUNTIME": "openvino", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "requirements-openvino.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_does_not_run_on_a_gpu(sface_dir):
    with pytest.raises(DeviceError, match=r"not on gpu:1\. Set FACEPLATFORM_DEVICE=cpu"):
        PackNets(sface_dir, device="gpu:1", runtime="openvino")
    assert PackNets(sface_dir, device="gpu:1", runtime="auto").note == "MXNet alone, on gpu:1"


@needs_openvino
def test_what_would_report_its_use_is_never_loaded():
    code = "from recognition.engine.openvino_runtime import OpenVino; OpenVino(); import sys; " \
        "print([name for name in sys.modules if name.startswith('openvino_telemetry.')])"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
