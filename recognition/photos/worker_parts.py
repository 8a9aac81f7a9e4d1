"""Worker processes under a supervisor, which sees at once when one dies. So nobody waits for its leases to end."""

import logging
import sys
import threading
from collections.abc import Iterable
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


@dataclass
class WorkerPart(Part):
    """A worker. worker_id: what it is called among the living, another one each time it is started."""

    worker_id: UUID | None = None

    def next_command(self) -> list[str]:
        self.worker_id = uuid6.uuid7()
        return [*self.command, "--id", str(self.worker_id)]


def worker_parts(numbers: Iterable[int]) -> list[WorkerPart]:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "recognition_worker"]
    return [WorkerPart(f"worker-{number}", command, without=[OWNER_URL]) for number in numbers]


def release_claims(part: Part) -> None:
    """Puts back what a dead worker had claimed; for the supervisor's `ended`, so it waits for no database."""
    if isinstance(part, WorkerPart) and part.worker_id:
        threading.Thread(target=_release, args=(part.worker_id,), daemon=True).start()


def _release(worker_id: UUID) -> None:
    try:
        if count := queue.worker_died(worker_id=worker_id):
            logger.info("%s photos of a dead worker are free for the others", count)
    except (OperationalError, InterfaceError) as error:
        logger.warning("the photos of a dead worker stay with it until its lease ends: %s", described(error))
    finally:
        connection.close()
