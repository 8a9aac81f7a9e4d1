"""Several processes that train one net, over MXNet's parameter server (kvstore dist_sync).

MXNet reads its place from the environment, as its own launchers set it: DMLC_ROLE (scheduler, server, worker),
DMLC_PS_ROOT_URI and DMLC_PS_ROOT_PORT (where the scheduler listens), DMLC_NUM_SERVER, DMLC_NUM_WORKER. Scheduler and server
are MXNet itself: its import does that work, and ends the process when the workers are done.
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
PAUSE = 0.2


def role() -> str | None:
    """scheduler, server or worker; None where this process trains by itself."""
    return os.environ.get("DMLC_ROLE")


def workers() -> int:
    """How many processes train. Raises TrainingError."""
    if role() is None:
        return 1
    try:
        return int(os.environ["DMLC_NUM_WORKER"])
    except (KeyError, ValueError) as error:
        raise TrainingError(
            "DMLC_ROLE is set, so DMLC_NUM_WORKER has to say how many workers there are, DMLC_NUM_SERVER how many servers, "
            "DMLC_PS_ROOT_URI and DMLC_PS_ROOT_PORT where the scheduler listens."
        ) from error


def assert_can_distribute() -> None:
    """Raises TrainingError where this MXNet was built without it."""
    if not import_mxnet().runtime.Features().is_enabled("DIST_KVSTORE"):
        raise TrainingError("The installed MXNet is built without DIST_KVSTORE: it trains in one process alone.")


def serve() -> None:
    """What a scheduler or server does: ends the process when it is done."""
    import_mxnet()
    sys.exit(f"MXNet did not take the role {role()}.")


def train_here(command: Sequence[str], processes: int, *, environment: dict[str, str] | None = None) -> int:
    """Starts a scheduler, a server and `processes` workers on this machine, and waits for them.

    command: of a worker. A SIGTERM is passed on to the workers, and waited for. Returns the first exit status of a worker
    that is not nought; the others are then ended.
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
    workers = started[2:]
    kept = signal.signal(signal.SIGTERM, lambda number, frame: [worker.terminate() for worker in workers])
    try:
        return _wait(workers)
    finally:
        signal.signal(signal.SIGTERM, kept)
        for process in started:
            process.kill()
            process.wait()


def _wait(workers: list[subprocess.Popen]) -> int:
    while True:
        codes = [worker.poll() for worker in workers]
        if bad := [code for code in codes if code]:
            return bad[0]
        if all(code == 0 for code in codes):
            return 0
        try:
            time.sleep(PAUSE)
        except KeyboardInterrupt:  # the workers have it too, and keep what they have
            continue


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((LOCAL, 0))
        return listener.getsockname()[1]
