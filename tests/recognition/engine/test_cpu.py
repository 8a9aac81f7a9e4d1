"""What is asked of the processor and the kernel, on made-up processors; the kernel is the real one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recognition.engine import cpu
from recognition.engine.mxnet_runtime import DeviceError, context

ROOT = Path(__file__).resolve().parents[3]
REAL_AMX = cpu._cpuinfo()[1] >= cpu.AMX_FLAGS


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


def test_a_processor_without_amx_keeps_its_instructions(processor):
    found = processor("avx512f")
    assert (found.name, found.amx, found.bfloat16, found.note) == ("A processor", False, False, "no AMX")
    assert cpu.MAX_ISA not in os.environ


def test_bfloat16_without_amx_is_seen_unless_it_is_switched_off(processor):
    assert processor("avx512f", "avx512_bf16").bfloat16
    assert not processor("avx512f", "avx512_bf16", limit="AVX512_CORE").bfloat16


@pytest.mark.skipif(REAL_AMX, reason="this kernel grants AMX")
def test_amx_that_the_kernel_refuses_is_never_used(processor):
    """oneDNN would die of SIGILL: it is held to what is safe."""
    found = processor("amx_tile", "amx_bf16", "avx512_bf16")
    assert not found.amx
    assert "refused by the kernel" in found.note
    assert os.environ[cpu.MAX_ISA] == "AVX512_CORE_BF16"


@pytest.mark.parametrize("granted", [True, False])
def test_amx_is_used_where_the_kernel_grants_it(processor, monkeypatch, granted):
    monkeypatch.setattr(cpu, "_request_amx", lambda: 0 if granted else 95)
    found = processor("amx_tile", "amx_bf16")
    assert (found.amx, found.bfloat16) == (granted, granted)
    assert os.environ[cpu.MAX_ISA] == ("AVX512_CORE_AMX" if granted else "AVX512_CORE_BF16")


def test_an_operator_can_switch_amx_off(processor, monkeypatch):
    monkeypatch.setattr(cpu, "_request_amx", lambda: pytest.fail("asked all the same"))
    found = processor("amx_tile", "amx_bf16", limit="AVX512_CORE")
    assert (found.amx, found.bfloat16, found.note) == (False, False, "AMX off (DNNL_MAX_CPU_ISA=AVX512_CORE)")
    assert os.environ[cpu.MAX_ISA] == "AVX512_CORE"


def test_no_cpuinfo_is_no_amx(monkeypatch, tmp_path):
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "none")
    assert not cpu.prepare.__wrapped__().amx


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
    ],
)
def test_a_command_that_cannot_have_its_device_says_so_and_fails(pack_dir, name, value, message):
    """A missing GPU never becomes a silent CPU."""
    done = subprocess.run(
        [sys.executable, "manage.py", "packs", "verify", "dlib-resnet"],
        cwd=ROOT, env=os.environ | {name: value}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
