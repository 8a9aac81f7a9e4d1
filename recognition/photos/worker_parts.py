"""Worker processes under a supervisor, which sees at once when one dies. So nobody waits for its leases to end."""

import logging
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

import uuid6
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from faceplatform.database.trouble import described
from faceplatform.env import OWNER_URL
from faceplatform.processes.supervisor import Part
from recognition.photos import queue

logger = logging.getLogger(__name__)


def _photos_of(worker_id: UUID) -> int:
    return queue.worker_died(worker_id=worker_id)


@dataclass
class WorkerPart(Part):
    """A worker. worker_id: what it is called among the living, another one each time it is started.

    release: frees what a worker that is dead had claimed, and returns how much that was.
    """

    worker_id: UUID | None = None
    release: Callable[[UUID], int] = _photos_of

    def next_command(self) -> list[str]:
        self.worker_id = uuid6.uuid7()
        return [*self.command, "--id", str(self.worker_id)]


def worker_parts(numbers: Iterable[int]) -> list[WorkerPart]:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "recognition_worker"]
    return [WorkerPart(f"worker-{number}", command, without=[OWNER_URL]) for number in numbers]


def release_claims(part: Part) -> None:
    """Puts back what a dead worker had claimed; for the supervisor's `ended`, so it waits for no database."""
    if isinstance(part, WorkerPart) and part.worker_id:
        threading.Thread(target=_release, args=(part.name, part.worker_id, part.release), daemon=True).start()


def _release(name: str, worker_id: UUID, release: Callable[[UUID], int]) -> None:
    try:
        if count := release(worker_id):
            logger.info("%s claims of %s, which is dead, are free for the others", count, name)
    except (OperationalError, InterfaceError) as error:
        logger.warning("the claims of %s, which is dead, stay until its lease ends: %s", name, described(error))
    finally:
        connection.close()
