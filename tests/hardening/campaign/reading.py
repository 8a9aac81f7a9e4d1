"""Runs readers.py in a process of its own, and says what became of it: a decoder that crashes takes nobody with it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MOST_MEGABYTES = 1200  # at its peak: the largest photo allowed takes 500, and the models' programs 300
GROWTH = 100  # megabytes from the first quarter to the end
FILES = 8  # open at the end, more than at the beginning
LIMIT = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Read:
    """answers: kind and outcome → count. untyped: faults. sizes: (megabytes, open files), in turn. peak: megabytes."""

    answers: dict[str, int]
    untyped: list[str]
    sizes: list[list[int]]
    peak: int

    def wrong(self) -> list[str]:
        if not self.sizes:
            return self.untyped
        (first, _), (last, after), before = self.sizes[len(self.sizes) // 4], self.sizes[-1], self.sizes[0][1]
        found = list(self.untyped)
        found += [f"memory grew from {first} to {last} MB"] if last > first + GROWTH else []
        found += [f"it took {self.peak} MB"] if self.peak > MOST_MEGABYTES else []
        found += [f"open files grew from {before} to {after}"] if after > before + FILES else []
        return found


def read(*, seed: int, count: int) -> Read:
    command = [sys.executable, "-m", "tests.hardening.campaign.readers", "--seed", str(seed), "--count", str(count)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=LIMIT, check=False)
    lines = done.stdout.splitlines()
    if done.returncode:
        last = lines[-1] if lines else "nothing was read"
        return Read({}, [f"the process ended with {done.returncode} at: {last}\n{done.stderr[-2000:]}"], [], 0)
    return Read(**json.loads(lines[-1]))
