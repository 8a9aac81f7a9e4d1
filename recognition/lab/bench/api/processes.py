"""Processor time and memory of a platform's processes, read from /proc."""

import os
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PARTS = (
    ("recognition_worker", "workers"),
    ("camera_worker", "cameras"),
    ("job_worker", "jobs"),
    ("web_server", "web"),
)


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one part of the platform. cpu: processor seconds so far. megabytes: of each process, without shared buffers."""

    cpu: float
    megabytes: tuple[int, ...]


class Processes:
    """The processes of one platform, by part: those under its supervisor, its database server, and this process.

    supervisor: its process id. server: returns the database server's process id, or None if it is not running.
    """

    def __init__(self, supervisor: int, server: Callable[[], int | None]):
        self._supervisor = supervisor
        self._server = server

    def usage(self) -> dict[str, Usage]:
        """By part: workers, web, jobs, database, and clients, which is this process."""
        found: dict[str, list[tuple[int, float]]] = defaultdict(list)
        rows = {pid: row for pid in _pids() if (row := _stat(pid))}
        server = self._server()
        for pid, (parent, cpu, _) in rows.items():
            if parent == self._supervisor and (part := _part(pid)):
                found[part].append((pid, cpu))
            elif server and parent == server:
                found["database"].append((pid, cpu))
        if server in rows:  # with the time of its children that have ended
            found["database"].append((server, rows[server][1] + rows[server][2]))
        found["clients"].append((os.getpid(), rows[os.getpid()][1]))
        return {
            part: Usage(sum(cpu for _, cpu in processes), tuple(megabytes_of(pid) for pid, _ in sorted(processes)))
            for part, processes in found.items()
        }


def cpu_ms_per_call(before: dict[str, Usage], after: dict[str, Usage], calls: int) -> dict[str, float]:
    """Processor milliseconds per call, by part."""
    return {
        part: round((after[part].cpu - before[part].cpu) * 1000 / max(calls, 1), 2) for part in before if part in after
    }


def megabytes(usage: dict[str, Usage]) -> dict[str, list[int]]:
    """Memory of each process, by part. For the database it is the sum, because its processes come and go."""
    return {
        part: [sum(used.megabytes)] if part == "database" else list(used.megabytes)
        for part, used in usage.items()
        if part != "clients"
    }


def workers_of(supervisor: int) -> list[int]:
    return _parts_of(supervisor, "workers")


def web_of(supervisor: int) -> list[int]:
    return _parts_of(supervisor, "web")


def _parts_of(supervisor: int, part: str) -> list[int]:
    rows = ((pid, _stat(pid)) for pid in _pids())
    return [pid for pid, row in rows if row and row[0] == supervisor and _part(pid) == part]


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _stat(pid: int) -> tuple[int, float, float] | None:
    """Parent, processor seconds, and those of its ended children; None if the process itself has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    own, children = (sum(int(fields[n]) for n in numbers) / TICKS for numbers in ((11, 12), (13, 14)))
    return int(fields[1]), own, children


def _part(pid: int) -> str | None:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return None
    return next((part for word, part in PARTS if word in command), None)


def megabytes_of(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    sizes = {name: int(kb) for name, kb in re.findall(r"^(VmRSS|RssShmem):\s+(\d+)", status, re.MULTILINE)}
    return (sizes.get("VmRSS", 0) - sizes.get("RssShmem", 0)) // 1024
