"""The engine without a platform round it, on the same photos: what a queue's throughput is held against.

python -m recognition.lab.bench.api.bare_engine PACK PHOTOS works, for each line it reads, as many seconds as that says.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from recognition.engine import cpu
from recognition.lab.bench.engine import ROOT, BenchError

BATCH = 8  # as a worker claims


class BareEngine:
    """As many processes of one thread as the platform has workers; silent between turns."""

    def __init__(self, pack_dir: Path, photos: Sequence[bytes], processes: int):
        self._folder = tempfile.TemporaryDirectory()
        for number, photo in enumerate(photos):
            (Path(self._folder.name) / f"{number:04}.jpg").write_bytes(photo)
        command = [sys.executable, "-m", "recognition.lab.bench.api.bare_engine", str(pack_dir), self._folder.name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        variables = os.environ | {"OMP_NUM_THREADS": "1"}
        self._children = [subprocess.Popen(command, cwd=ROOT, env=variables, **pipes) for _ in range(processes)]

    def __enter__(self) -> "BareEngine":
        for child in self._children:
            self._read(child)
        return self

    def __exit__(self, *_) -> None:
        for child in self._children:
            child.kill()
            child.communicate()
        self._folder.cleanup()

    def turn(self, seconds: float) -> tuple[float, float]:
        """Photos a second of all processes together, and processor milliseconds a photo."""
        for child in self._children:
            child.stdin.write(f"{seconds}\n")
            child.stdin.flush()
        done = [self._read(child) for child in self._children]
        rate = sum(one["photos"] / one["wall"] for one in done)
        return rate, 1000 * sum(one["cpu"] for one in done) / sum(one["photos"] for one in done)

    @staticmethod
    def _read(child: subprocess.Popen) -> dict:
        line = child.stdout.readline()
        if not line:
            raise BenchError("The bare engine ended. Try: manage.py packs verify")
        return json.loads(line)


def main(pack_dir: Path, folder: Path) -> None:
    from recognition.engine.pipeline import Pipeline

    photos = [path.read_bytes() for path in sorted(folder.iterdir())]
    batches = [[photos[(start + n) % len(photos)] for n in range(BATCH)] for start in range(0, len(photos), BATCH)]
    pipeline = Pipeline.load(pack_dir)
    pipeline.warm()
    pipeline.analyse(batches[0], purposes=["probe"] * BATCH)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_work(pipeline, batches, float(line))), flush=True)


def _work(pipeline, batches: Sequence[Sequence[bytes]], seconds: float) -> dict:
    count, start, spent = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        pipeline.analyse(batches[count % len(batches)], purposes=["probe"] * BATCH)
        count += 1
    return {"photos": count * BATCH, "wall": time.perf_counter() - start, "cpu": time.process_time() - spent}


if __name__ == "__main__":
    cpu.prepare()
    with contextlib.suppress(KeyboardInterrupt):
        main(Path(sys.argv[1]), Path(sys.argv[2]))
