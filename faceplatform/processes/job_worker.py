"""The process that runs background jobs: for each group of queues a worker with slots of its own, in one event loop."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection
from procrastinate import App, JobContext, signals
from procrastinate.worker import Worker

from faceplatform.processes.jobs import SLOTS

logger = logging.getLogger(__name__)
GRACE = 2.0  # seconds that running jobs have to end; imports then leave their work to another process


async def run_workers(app: App, *, wait: bool = True) -> None:
    """Runs jobs until SIGTERM or SIGINT, or until one of the workers ends. wait: False ends it when no job is waiting."""
    # Jobs run in threads. The loop's own executor has as many as the machine has cores, which imports alone could fill.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(sum(SLOTS.values()) + 4, "job"))
    workers = [
        Worker(
            app=app,
            queues=list(queues),
            name=queues[0],
            concurrency=slots,
            wait=wait,
            shutdown_graceful_timeout=GRACE,
            install_signal_handlers=False,
            task_middleware=[_around_job],
        )
        for queues, slots in SLOTS.items()
    ]

    def stop() -> None:
        for worker in workers:
            worker.stop()

    async def run(worker: Worker) -> None:
        try:
            await worker.run()
        finally:
            if wait:  # a worker that ends by itself has lost the database: all end, and the process is started again
                stop()

    app.perform_import_paths()
    with signals.on_stop(stop):
        await asyncio.gather(*map(run, workers))


def _around_job(call_next: Callable[[], Any], context: JobContext, worker: Worker) -> Any:
    """Logs every failed attempt, not only the last one, and gives the thread's database connection back."""
    try:
        return call_next()
    except Exception as error:
        job, problem = context.job, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        logger.warning("attempt %s of job %s failed: %s", job.attempts + 1, job.call_string, problem)
        raise
    finally:
        connection.close()
