"""Runs one recognition worker process. Start one per core, on any number of machines that share the database."""

import logging
import signal
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from faceplatform.database.limits import limit_holding
from faceplatform.processes.stop_flag import StopFlag
from recognition.engine.manifest import PackError
from recognition.engine.runnable import DeviceError
from recognition.photos.worker import RecognitionWorker, Unfit
from recognition.reembedding.embed import embed_part
from recognition.sightings.reembedding import embed_sightings

logger = logging.getLogger(__name__)


def embed_while_idle(worker: RecognitionWorker) -> bool:
    """What a worker does while no photo waits."""
    return embed_part(worker) or embed_sightings(worker)


class Command(BaseCommand):
    help = "Recognises and enrols queued photos until it is stopped."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--id", type=UUID, dest="given_id", help="the id that its supervisor chose for it")

    def handle(self, *, given_id, **options):
        limit_holding()
        stop = StopFlag()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, stop.set)
        try:
            worker = RecognitionWorker(settings.MODELS_DIR, idle=embed_while_idle, given_id=given_id, ends_process=True)
            worker.run(stop)
        except (PackError, DeviceError) as error:
            raise CommandError(str(error)) from error
        except Unfit as error:
            raise CommandError(f"This worker has to be started anew: {error}") from error
        logger.info("stopped")
