"""One recognition worker process. Start as many as there are cores, on as many machines as share the database."""

import logging
import signal
import threading
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import DeviceError
from recognition.photos.worker import RecognitionWorker
from recognition.reembedding.embed import embed_part

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Recognises and enrols waiting photos until it is stopped."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--id", type=UUID, dest="given_id", help="What its supervisor calls it by.")

    def handle(self, *, given_id, **options):
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        try:
            RecognitionWorker(settings.MODELS_DIR, idle=embed_part, given_id=given_id).run(stop)
        except (PackError, DeviceError) as error:
            raise CommandError(str(error)) from error
        logger.info("stopped")
