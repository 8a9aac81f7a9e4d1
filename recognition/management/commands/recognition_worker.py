"""Runs one recognition worker process. Start one per core, on any number of machines that share the database."""

import logging
import signal
import threading

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import DeviceError
from recognition.photos.worker import RecognitionWorker, Unfit
from recognition.reembedding.embed import embed_part

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Recognises and enrols queued photos until it is stopped."
    requires_system_checks = []

    def handle(self, **options):
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        try:
            RecognitionWorker(settings.MODELS_DIR, idle=embed_part, ends_process=True).run(stop)
        except (PackError, DeviceError) as error:
            raise CommandError(str(error)) from error
        except Unfit as error:
            raise CommandError(f"This worker has to be started anew: {error}") from error
        logger.info("stopped")
