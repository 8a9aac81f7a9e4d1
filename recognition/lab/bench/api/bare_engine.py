"""The engine without a platform around it, on the same photos: the most that the platform's queue could reach.

For each line it reads, python -m recognition.lab.bench.api.bare_engine PACK PHOTOS RUNTIME works for that many seconds.
"""

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from recognition.engine import cpu
from recognition.engine.pipeline import Pipeline
from recognition.lab.bench.child import Child
from recognition.lab.bench.engine import BenchError

BATCH = 8  # photos, as many as a worker claims at a time


class BareEngine:
    """As many single-threaded processes as the platform has workers. They are idle between turns."""

    def __init__(self, pack_dir: Path, photos: Sequence[bytes], processes: int, runtime: str = "mxnet"):
        self._folder = tempfile.TemporaryDirectory()
        for number, photo in enumerate(photos):
            (Path(self._folder.name) / f"{number:04}.jpg").write_bytes(photo)
        module = "recognition.lab.bench.api.bare_engine"
        command = [sys.executable, "-m", module, str(pack_dir), self._folder.name, runtime]
        variables = os.environ | {"OMP_NUM_THREADS": "1"}
        self._children = [Child(command, variables) for _ in range(processes)]

    def __enter__(self) -> "BareEngine":
        for child in self._children:
            self._read(child)
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.end()
        self._folder.cleanup()

    def turn(self, seconds: float) -> tuple[float, float]:
        """Photos per second of all processes together, and processor milliseconds per photo. Raises BenchError."""
        for child in self._children:
            child.write_line(str(seconds))
        reports = [self._read(child) for child in self._children]
        photos = sum(report["photos"] for report in reports)
        rate = sum(report["photos"] / report["wall"] for report in reports)
        return rate, 1000 * sum(report["cpu"] for report in reports) / photos

    @staticmethod
    def _read(child: Child) -> dict:
        line = child.read_line()
        if not line:
            raise BenchError("The bare engine ended early. Check the packs with: manage.py packs verify")
        return json.loads(line)


def main(pack_dir: Path, folder: Path, runtime: str) -> None:
    photos = [path.read_bytes() for path in sorted(folder.iterdir())]
    batches = [[photos[(start + n) % len(photos)] for n in range(BATCH)] for start in range(0, len(photos), BATCH)]
    pipeline = Pipeline.load(pack_dir, runtime=runtime)
    pipeline.warm()
    pipeline.analyse(batches[0], purposes=["probe"] * BATCH)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_run_for(pipeline, batches, float(line))), flush=True)


def _run_for(pipeline: Pipeline, batches: Sequence[Sequence[bytes]], seconds: float) -> dict:
    count, start, spent = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        pipeline.analyse(batches[count % len(batches)], purposes=["probe"] * BATCH)
        count += 1
    return {"photos": count * BATCH, "wall": time.perf_counter() - start, "cpu": time.process_time() - spent}


if __name__ == "__main__":
    cpu.prepare()
    with contextlib.suppress(KeyboardInterrupt):
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
