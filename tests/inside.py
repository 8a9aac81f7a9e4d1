"""A process inside a running platform, with its settings and its database, that a test asks things of: quicker than a command
each time. What it can be asked is a module's functions."""

import importlib
import json
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from platform_process import Platform

TESTS = Path(__file__).resolve().parent
CODE = "import sys; sys.path.insert(0, {tests!r}); import inside; inside.serve({module!r})"


class Inside:
    """`Inside(platform, "job_world").make("a name")` calls job_world.make there; arguments and answers are JSON."""

    def __init__(self, platform: Platform, module: str) -> None:
        code = CODE.format(tests=str(TESTS), module=module)
        self._process = subprocess.Popen(
            [*platform.command, "shell", "-v", "0", "-c", code],
            env=platform.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __getattr__(self, name: str):
        def call(*arguments: Any) -> Any:
            self._process.stdin.write(json.dumps([name, arguments]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            assert line, f"{name}: the process inside the platform ended; its error is above"
            answer, error = json.loads(line)
            assert not error, f"{name} failed inside the platform: {error}"
            return answer

        return call

    def stop(self) -> None:
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


def serve(module: str) -> None:
    """Answers a line with a line, the answer and the error, until there are no more: a fault of one test is not one of all."""
    functions = importlib.import_module(module)
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            told = getattr(functions, name)(*arguments), None
        except Exception:  # noqa: BLE001 - it is raised in the test
            told = None, traceback.format_exc()
        print(json.dumps(told), flush=True)
