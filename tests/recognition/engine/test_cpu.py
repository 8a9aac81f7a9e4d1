"""What is asked of the processor and the kernel: on made-up processors, and on the real one as oneDNN sees it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recognition.engine import cpu
from recognition.engine.mxnet_runtime import context
from recognition.engine.runnable import DeviceError

ROOT = Path(__file__).resolve().parents[3]
REAL_AMX = cpu._cpuinfo()[1] >= cpu.AMX_FLAGS
SKYLAKE = sorted(cpu.AVX512_CORE_FLAGS)
COOPER_LAKE = [*SKYLAKE, "avx512_bf16"]
SAPPHIRE_RAPIDS = [*COOPER_LAKE, "amx_tile", "amx_bf16"]
ISAS = ("SSE41", "AVX2", "AVX512_CORE", "AVX512_CORE_BF16", "ALL")


@pytest.fixture
def processor(tmp_path, monkeypatch):
    """Runs cpu.prepare() as on a processor with these flags."""

    def prepare(*flags: str, limit: str = "") -> cpu.Processor:
        path = tmp_path / "cpuinfo"
        path.write_text(
            f"processor\t: 0\nmodel name\t: A processor\nflags\t\t: fpu {' '.join(flags)}\n\nprocessor : 1\n"
        )
        monkeypatch.setattr(cpu, "CPUINFO", path)
        monkeypatch.delenv(cpu.MAX_ISA, raising=False)
        if limit:
            monkeypatch.setenv(cpu.MAX_ISA, limit)
        return cpu.prepare.__wrapped__()

    yield prepare
    monkeypatch.undo()


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the first call of cpu.prepare decides for a whole process."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_a_processor_without_amx_keeps_its_instructions(processor):
    found = processor("avx2", "avx512f")
    assert (found.name, found.amx, found.bfloat16, found.note) == ("A processor", False, "none", "no AMX")
    assert cpu.MAX_ISA not in os.environ


@pytest.mark.parametrize(
    ("flags", "limit", "bfloat16"),
    [
        (["avx2"], "", "none"),
        (["avx512f", "avx512_bf16"], "", "none"),  # oneDNN wants all four of AVX512_CORE
        (["amx_tile", "amx_bf16"], "", "none"),
        (SKYLAKE, "", "emulated"),
        (SKYLAKE, "avx2", "none"),
        (COOPER_LAKE, "", "native"),
        (COOPER_LAKE, "ALL", "native"),
        (COOPER_LAKE, "AVX512_CORE_BF16", "native"),
        (COOPER_LAKE, "AVX512_CORE", "emulated"),
        (COOPER_LAKE, "AVX512_CORE_VNNI", "emulated"),
        (COOPER_LAKE, "AVX512_MIC", "none"),
        (COOPER_LAKE, "SSE41", "none"),
    ],
)
def test_bfloat16_is_none_emulated_or_native(processor, flags, limit, bfloat16):
    found = processor(*flags, limit=limit)
    assert (found.amx, found.bfloat16) == (False, bfloat16)


@pytest.mark.skipif(REAL_AMX, reason="this kernel grants AMX")
def test_amx_that_the_kernel_refuses_is_never_used(processor):
    """oneDNN would be killed by SIGILL, so it is limited to what is safe."""
    found = processor(*SAPPHIRE_RAPIDS)
    assert (found.amx, found.bfloat16) == (False, "native")
    assert "refused by the kernel" in found.note
    assert os.environ[cpu.MAX_ISA] == "AVX512_CORE_BF16"


@pytest.mark.parametrize("granted", [True, False])
def test_amx_is_used_where_the_kernel_grants_it(processor, monkeypatch, granted):
    monkeypatch.setattr(cpu, "_request_amx", lambda: 0 if granted else 95)
    found = processor(*SAPPHIRE_RAPIDS)
    assert (found.amx, found.bfloat16) == (granted, "native")
    assert os.environ[cpu.MAX_ISA] == ("AVX512_CORE_AMX" if granted else "AVX512_CORE_BF16")


@pytest.mark.parametrize(("limit", "bfloat16"), [("AVX512_CORE", "emulated"), ("AVX2", "none")])
def test_an_operator_can_switch_amx_off(processor, monkeypatch, limit, bfloat16):
    monkeypatch.setattr(cpu, "_request_amx", lambda: pytest.fail("the kernel was asked all the same"))
    found = processor(*SAPPHIRE_RAPIDS, limit=limit)
    assert (found.amx, found.bfloat16, found.note) == (False, bfloat16, f"AMX off (DNNL_MAX_CPU_ISA={limit})")
    assert os.environ[cpu.MAX_ISA] == limit


def test_no_cpuinfo_is_no_amx(monkeypatch, tmp_path):
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "none")
    found = cpu.prepare.__wrapped__()
    assert (found.amx, found.bfloat16) == (False, "none")


# --- The real processor, limited to ever fewer instructions ---
COMPUTES_BFLOAT16 = """
from recognition.engine import cpu
from recognition.engine.graph.passes import rewrite
from recognition.engine.runnable import NetError
from tests.recognition.engine.nets import noise, published, run
try:
    run(rewrite(published("mbf"), "bf16").graph, noise(1, 3, 112, 112))
    print(cpu.prepare().bfloat16, "computed")
except NetError:
    print(cpu.prepare().bfloat16, "refused")
"""


@pytest.mark.parametrize("isa", ISAS)
def test_what_we_say_of_bfloat16_is_what_onednn_does(isa):
    done = run_python("-c", COMPUTES_BFLOAT16, DNNL_MAX_CPU_ISA=isa)
    assert done.returncode == 0, done.stderr
    bfloat16, outcome = done.stdout.split()
    assert outcome == ("refused" if bfloat16 == "none" else "computed")


@pytest.mark.parametrize("isa", ["SSE41", "AVX2"])
def test_auto_is_float32_on_an_older_processor(pack_dir, isa):
    done = run_python("manage.py", "packs", "verify", "dlib-resnet", DNNL_MAX_CPU_ISA=isa)
    assert done.returncode == 0, done.stderr
    assert "embedder: fp32" in done.stdout
    assert "as published" not in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("command", [["packs", "verify", "dlib-resnet"], ["recognition_worker"]])
def test_bfloat16_on_an_older_processor_is_refused_at_the_start(pack_dir, command):
    """A worker too must fail before it takes a photo."""
    done = run_python("manage.py", *command, DNNL_MAX_CPU_ISA="AVX2", FACEPLATFORM_PRECISION="bf16")
    assert done.returncode != 0
    assert "cannot compute bfloat16" in done.stderr
    assert "Set FACEPLATFORM_PRECISION=auto or fp32" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("device", ["gpu", "gpu:1", "tpu", "gpu:x", "cpu:1"])
def test_a_device_that_is_not_there_is_an_error(device):
    with pytest.raises(DeviceError, match=r"FACEPLATFORM_DEVICE=cpu|There is no device"):
        context(device)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FACEPLATFORM_DEVICE", "gpu", "FACEPLATFORM_DEVICE=cpu"),
        ("FACEPLATFORM_DEVICE", "tpu", "must be cpu, gpu or gpu:N"),
        ("FACEPLATFORM_PRECISION", "int4", "must be auto, fp32 or bf16"),
        ("FACEPLATFORM_RUNTIME", "tensorrt", "must be auto, mxnet or openvino"),
    ],
)
def test_a_command_that_cannot_have_its_device_says_so_and_fails(pack_dir, name, value, message):
    """A missing GPU is never silently replaced by the CPU."""
    done = run_python("manage.py", "packs", "verify", "dlib-resnet", **{name: value})
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
