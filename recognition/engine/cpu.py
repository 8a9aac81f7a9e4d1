"""What this processor can do, and asking the kernel for AMX. Call `prepare` before MXNet is imported or a thread started."""

import ctypes
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

CPUINFO = Path("/proc/cpuinfo")
# oneDNN's levels (src/cpu/x64/cpu_isa_traits.hpp) as the kernel names their flags. From AVX512_CORE on, oneDNN computes
# bfloat16; with avx512_bf16 in instructions of its own, below that by converting to float32 and back.
AVX512_CORE_FLAGS = {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
BFLOAT16_FLAGS = AVX512_CORE_FLAGS | {"avx512_bf16"}
AMX_FLAGS = BFLOAT16_FLAGS | {"amx_tile", "amx_bf16"}
# Linux, Documentation/arch/x86/xstate.rst: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XTILEDATA = 158, 0x1023, 18
MAX_ISA = "DNNL_MAX_CPU_ISA"
AMX_ISA = "AVX512_CORE_AMX"
BELOW_AVX512_CORE = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_MIC", "AVX512_MIC_4OPS")
BELOW_BFLOAT16 = ("AVX512_CORE", "AVX512_CORE_VNNI")

Bfloat16 = Literal["none", "emulated", "native"]


@dataclass(frozen=True, slots=True)
class Processor:
    """amx: whether AMX is on. bfloat16: whether oneDNN can compute it here, and how. note: whether AMX is on, and why not."""

    name: str
    amx: bool
    bfloat16: Bfloat16
    note: str


@lru_cache(maxsize=1)
def prepare() -> Processor:
    """Asks the kernel for AMX and tells oneDNN the answer. The first call in a process decides.

    DNNL_MAX_CPU_ISA is respected if the operator has set it.
    """
    name, flags = _cpuinfo()
    limit = os.environ.get(MAX_ISA, "").upper()
    amx, note = _amx(flags, limit)
    if amx:
        os.environ[MAX_ISA] = AMX_ISA
    return Processor(name, amx, _bfloat16(flags, limit), note)


def _amx(flags: set[str], limit: str) -> tuple[bool, str]:
    """Whether AMX is now on, and a few words about it."""
    if not flags >= AMX_FLAGS:
        return False, "no AMX"
    if limit and "AMX" not in limit and limit not in ("ALL", "DEFAULT"):
        return False, f"AMX off ({MAX_ISA}={limit})"
    if errno := _request_amx():
        # oneDNN must not try: without the kernel's consent the first tile instruction is a SIGILL.
        os.environ[MAX_ISA] = "AVX512_CORE_BF16"
        return False, f"AMX refused by the kernel ({os.strerror(errno)})"
    return True, "AMX on"


def _bfloat16(flags: set[str], limit: str) -> Bfloat16:
    if limit in BELOW_AVX512_CORE or not flags >= AVX512_CORE_FLAGS:
        return "none"
    if limit in BELOW_BFLOAT16 or not flags >= BFLOAT16_FLAGS:
        return "emulated"
    return "native"


def _request_amx() -> int:
    """Returns 0 if the kernel grants AMX, else its errno. Holds for the process and all threads it starts afterwards."""
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.syscall(SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XTILEDATA)
    return ctypes.get_errno() if failed else 0


def _cpuinfo() -> tuple[str, set[str]]:
    """The processor's model name and flags; no flags if there is no such file."""
    try:
        lines = CPUINFO.read_text().partition("\n\n")[0].splitlines()
    except OSError:
        return "unknown processor", set()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return fields.get("model name", "unknown processor"), set(fields.get("flags", "").split())
