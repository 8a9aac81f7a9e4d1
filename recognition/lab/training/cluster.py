"""Several processes that train one net together, over MXNet's parameter server (kvstore dist_sync).

MXNet reads a process's role from the environment, as its own launchers set it: DMLC_ROLE (scheduler, server, worker),
DMLC_PS_ROOT_URI and DMLC_PS_ROOT_PORT (where the scheduler listens), DMLC_NUM_SERVER, DMLC_NUM_WORKER. In a scheduler or
server, importing MXNet does all the work and ends the process when the workers have finished.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from recognition.engine.mxnet_runtime import import_mxnet
from recognition.lab.training.errors import TrainingError

LOCAL = "127.0.0.1"
SERVE = "from recognition.lab.training.cluster import serve; serve()"
PAUSE = 0.2  # seconds between looks at the workers


def role() -> str | None:
    """“scheduler”, “server” or “worker”; None if this process trains by itself."""
    return os.environ.get("DMLC_ROLE")


def workers() -> int:
    """How many processes train. Raises TrainingError."""
    if role() is None:
        return 1
    try:
        return int(os.environ["DMLC_NUM_WORKER"])
    except (KeyError, ValueError) as error:
        raise TrainingError(
            "DMLC_ROLE is set, so set DMLC_NUM_WORKER and DMLC_NUM_SERVER to the numbers of workers and servers, too, and "
            "DMLC_PS_ROOT_URI and DMLC_PS_ROOT_PORT to where the scheduler listens."
        ) from error


def assert_can_distribute() -> None:
    """Raises TrainingError if this MXNet was built without support for several processes."""
    if not import_mxnet().runtime.Features().is_enabled("DIST_KVSTORE"):
        raise TrainingError("The installed MXNet is built without DIST_KVSTORE: it can only train in one process.")


def serve() -> None:
    """Runs a scheduler or server; ends the process afterwards."""
    import_mxnet()
    sys.exit(f"MXNet did not take the role {role()}.")


def train_locally(command: Sequence[str], processes: int, *, environment: dict[str, str] | None = None) -> int:
    """Starts a scheduler, a server and `processes` workers on this machine, and waits for the workers.

    command: of a worker. A SIGTERM is passed on to the workers. Returns 0 when all have succeeded. If one fails, the others
    are ended, and its exit status is returned.
    """
    common = {
        **os.environ,
        **(environment or {}),
        "DMLC_PS_ROOT_URI": LOCAL,
        "DMLC_NODE_HOST": LOCAL,
        "DMLC_PS_ROOT_PORT": str(_free_port()),
        "DMLC_NUM_SERVER": "1",
        "DMLC_NUM_WORKER": str(processes),
    }
    parts = [([sys.executable, "-c", SERVE], name) for name in ("scheduler", "server")]
    parts += [(list(command), "worker")] * processes
    started = [subprocess.Popen(line, env=common | {"DMLC_ROLE": name}) for line, name in parts]
    training = started[2:]

    def terminate_workers(_number: int, _frame: object) -> None:
        for worker in training:
            worker.terminate()

    previous = signal.signal(signal.SIGTERM, terminate_workers)
    try:
        return _wait(training)
    finally:
        signal.signal(signal.SIGTERM, previous)
        for process in started:
            process.kill()
            process.wait()


def _wait(processes: list[subprocess.Popen[bytes]]) -> int:
    while True:
        codes = [process.poll() for process in processes]
        if failures := [code for code in codes if code]:
            return failures[0]
        if all(code == 0 for code in codes):
            return 0
        try:
            time.sleep(PAUSE)
        except KeyboardInterrupt:  # the workers get it, too, and save a checkpoint before they end
            continue


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((LOCAL, 0))
        return listener.getsockname()[1]
