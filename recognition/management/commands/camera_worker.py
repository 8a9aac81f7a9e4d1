"""Runs a camera worker: reads cameras and writes who was seen. Start one per machine that is to read cameras."""

import logging
import signal
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from faceplatform.database.limits import limit_holding
from faceplatform.processes.stop_flag import StopFlag
from recognition.engine.runnable import DeviceError
from recognition.watching.worker import CameraWorker, be_nice

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Reads cameras and writes who was seen until it is stopped."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--id", type=UUID, dest="given_id", help="the id that its supervisor chose for it")

    def handle(self, *, given_id, **options):
        limit_holding()
        stop = StopFlag()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, stop.set)
        be_nice()
        try:
            CameraWorker(settings.MODELS_DIR, given_id=given_id).run(stop)
        except DeviceError as error:
            raise CommandError(str(error)) from error
        logger.info("stopped")
