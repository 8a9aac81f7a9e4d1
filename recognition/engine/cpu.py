"""What this processor can do, and asking the kernel for AMX. To be called before MXNet is imported or a thread started."""

import ctypes
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
AMX_FLAGS = {"amx_tile", "amx_bf16"}
# Linux, Documentation/arch/x86/xstate.rst: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XTILEDATA = 158, 0x1023, 18
MAX_ISA = "DNNL_MAX_CPU_ISA"
AMX_ISA = "AVX512_CORE_AMX"
NO_BFLOAT16_ISA = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_MIC", "AVX512_CORE", "AVX512_CORE_VNNI")


@dataclass(frozen=True, slots=True)
class Processor:
    """amx: whether AMX is on. bfloat16: whether the processor multiplies bfloat16 at all. note: how AMX came out."""

    name: str
    amx: bool
    bfloat16: bool
    note: str


@lru_cache(maxsize=1)
def prepare() -> Processor:
    """Asks for AMX, and tells oneDNN of it; the first call in a process decides.

    DNNL_MAX_CPU_ISA, where the operator has set it, is respected.
    """
    name, flags = _cpuinfo()
    limit = os.environ.get(MAX_ISA, "").upper()
    amx, note = _amx(flags, limit)
    if amx:
        os.environ[MAX_ISA] = AMX_ISA
    bfloat16 = amx or ("avx512_bf16" in flags and limit not in NO_BFLOAT16_ISA)
    return Processor(name, amx, bfloat16, note)


def _amx(flags: set[str], limit: str) -> tuple[bool, str]:
    """Whether AMX is on now, and a few words on it."""
    if not flags >= AMX_FLAGS:
        return False, "no AMX"
    if limit and "AMX" not in limit and limit not in ("ALL", "DEFAULT"):
        return False, f"AMX off ({MAX_ISA}={limit})"
    if refused := _request_amx():
        # oneDNN must not try: without the kernel's consent the first tile instruction is a SIGILL.
        os.environ[MAX_ISA] = "AVX512_CORE_BF16"
        return False, f"AMX refused by the kernel ({os.strerror(refused)})"
    return True, "AMX on"


def _request_amx() -> int:
    """0, or the error number. Holds for the process and all threads it starts afterwards."""
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XTILEDATA)
    return ctypes.get_errno() if done else 0


def _cpuinfo() -> tuple[str, set[str]]:
    """The model's name and flags; nothing where there is no such file."""
    try:
        lines = CPUINFO.read_text().partition("\n\n")[0].splitlines()
    except OSError:
        return "unknown processor", set()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return fields.get("model name", "unknown processor"), set(fields.get("flags", "").split())
