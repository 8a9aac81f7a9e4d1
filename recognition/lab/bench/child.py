"""A child process that reads and writes lines."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]  # of the repository


class Child:
    """Runs `command` in the repository's root."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]):
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        assert self._process.stdin and self._process.stdout  # both are pipes
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def write_line(self, text: str) -> None:
        self._stdin.write(f"{text}\n")
        self._stdin.flush()

    def read_line(self) -> str:
        """Waits for the next line; empty when the process has ended."""
        return self._stdout.readline()

    def finish(self, limit: float = 60.0) -> None:
        """Closes its input and waits for its end; kills it if that takes longer than `limit` seconds."""
        try:
            self._process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            self.end()

    def end(self) -> str:
        """Kills the process; what it wrote to stderr."""
        self._process.kill()
        return self._process.communicate()[1]
