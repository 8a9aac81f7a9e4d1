"""Compares runtimes fairly: each has its own single-threaded processes, and they take turns on the same cores."""

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from recognition.engine.choose_net import least_cosine
from recognition.engine.export_onnx import export
from recognition.lab.bench.cases import CASES
from recognition.lab.bench.child import Child

REFERENCE = "ort"
NO_AMX = {"DNNL_MAX_CPU_ISA": "AVX512_CORE"}


class BenchError(Exception):
    """A benchmark cannot run. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One runtime's figures on one case.

    images_per_s: of all processes together. ratio: other runtime → this rate divided by that one's, median over rounds.
    cpu_ms: processor time per image. rss_mb: of the largest process. cosine: the least to the reference's outputs.
    """

    case: str
    batch: int
    runtime: str
    images_per_s: float
    ratio: dict[str, float]
    cpu_ms: float
    rss_mb: int
    cosine: float
    note: str


class _RuntimeProcesses:
    """The processes that run one runtime."""

    def __init__(self, runtime: str, job: dict, processes: int, environment: dict[str, str]):
        self.runtime = runtime
        variables = os.environ | environment | {"OMP_NUM_THREADS": "1"}
        jobs = [
            job | {"runtime": runtime, "outputs": job["outputs"] if number == 0 else None}
            for number in range(processes)
        ]
        self.children = [
            Child([sys.executable, "-m", "recognition.lab.bench.runner", json.dumps(job)], variables) for job in jobs
        ]
        ready = [self._read(child) for child in self.children]
        self.note = ready[0]["note"]

    def turn(self, seconds: float) -> list[dict]:
        """All processes work for `seconds`; the report of each."""
        for child in self.children:
            child.write_line(str(seconds))
        return [self._read(child) for child in self.children]

    def close(self) -> None:
        for child in self.children:
            child.end()

    def _read(self, child: Child) -> dict:
        line = child.read_line()
        if not line:
            raise BenchError(f"{self.runtime} failed:\n{child.end().strip()[-800:]}")
        return json.loads(line)


def compare(
    case_name: str,
    batch: int,
    runtimes: Sequence[str],
    models_dir: Path,
    *,
    seconds: float,
    rounds: int,
    processes: int,
    environment: dict[str, str],
    say: Callable[[str], object],
) -> list[Row]:
    """Measures several runtimes on one case, a turn of each in every round. `say` is given progress lines.

    Raises BenchError.
    """
    case = CASES[case_name]
    with tempfile.TemporaryDirectory() as folder:
        job = _prepare_job(case_name, batch, models_dir, Path(folder))
        runners: list[_RuntimeProcesses] = []
        try:
            for runtime in runtimes:
                say(f"{case.title}, batch {batch}: preparing {runtime} …")
                job["outputs"] = str(Path(folder) / f"{runtime}.npz")
                runners.append(_RuntimeProcesses(runtime, job, processes, environment))
            turns = [[runner.turn(seconds) for runner in runners] for _ in range(rounds)]
        finally:
            for runner in runners:
                runner.close()
        outputs = {runtime: _load_outputs(Path(folder) / f"{runtime}.npz") for runtime in runtimes}
    return [_row(case_name, batch, number, runners, turns, outputs) for number in range(len(runners))]


def _prepare_job(case_name: str, batch: int, models_dir: Path, folder: Path) -> dict:
    case = CASES[case_name]
    try:
        graphs = case.graphs(models_dir)
    except Exception as error:
        raise BenchError(f"{case.title} is left out because its pack is not installed.") from error
    inputs = case.inputs(batch)
    np.savez(folder / "inputs.npz", **inputs)
    onnx = {net: str(folder / f"{net}.onnx") for net in graphs}
    for net, graph in graphs.items():
        export(graph, Path(onnx[net]), data=inputs[net].shape)
    return {"case": case_name, "models_dir": str(models_dir), "inputs": str(folder / "inputs.npz"), "onnx": onnx}


def _load_outputs(path: Path) -> list[np.ndarray]:
    with np.load(path) as arrays:
        return list(arrays.values())


def _rate(turn: list[dict], images: int) -> float:
    return sum(process["calls"] / process["wall"] for process in turn) * images


def _row(
    case_name: str,
    batch: int,
    number: int,
    runners: Sequence[_RuntimeProcesses],
    turns: Sequence[Sequence[list[dict]]],
    outputs: dict[str, list[np.ndarray]],
) -> Row:
    """The figures of runner `number`. turns: round → runner → report of each process."""
    own_turns = [turn[number] for turn in turns]
    rates = [_rate(turn, batch) for turn in own_turns]
    ratio = {
        other.runtime: statistics.median(
            rate / _rate(turn[column], batch) for rate, turn in zip(rates, turns, strict=True)
        )
        for column, other in enumerate(runners)
        if column != number
    }
    reports = [process for turn in own_turns for process in turn]
    calls = sum(process["calls"] for process in reports)
    reference = outputs.get(REFERENCE, outputs[runners[0].runtime])
    return Row(
        case=case_name,
        batch=batch,
        runtime=runners[number].runtime,
        images_per_s=round(statistics.median(rates), 1),
        ratio={name: round(value, 2) for name, value in ratio.items()},
        cpu_ms=round(1000 * sum(process["cpu"] for process in reports) / (calls * batch), 2),
        rss_mb=max(process["rss_mb"] for process in reports),
        cosine=round(least_cosine(outputs[runners[number].runtime], reference), 6),
        note=runners[number].note,
    )


def table(rows: Sequence[Row], against: Sequence[str]) -> list[str]:
    """The lines of a table to print. against: the runtimes to which ratios are shown."""
    heads = [f"x {name}" for name in against]
    lines = [f"{'net':8}{'batch':>6} {'runtime':15}{'images/s':>10}" + "".join(f"{head:>17}" for head in heads)
             + f"{'CPU ms':>9}{'MB':>6}{'cosine':>10}"]  # fmt: skip
    for row in rows:
        ratios = "".join(f"{row.ratio.get(name, 1.0):17.2f}" for name in against)
        lines.append(f"{row.case:8}{row.batch:6} {row.runtime:15}{row.images_per_s:10.1f}{ratios}"
                     f"{row.cpu_ms:9.2f}{row.rss_mb:6}{row.cosine:10.6f}")  # fmt: skip
    return lines


def as_json(rows: Sequence[Row]) -> list[dict]:
    return [asdict(row) for row in rows]
