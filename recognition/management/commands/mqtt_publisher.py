"""Tells sightings and alerts to an MQTT broker. `up` starts it where FACEPLATFORM_MQTT_URL is set."""

import importlib.util
import logging
import signal

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from faceplatform import env
from faceplatform.processes.stop_flag import StopFlag

logger = logging.getLogger(__name__)
NOT_SET = "FACEPLATFORM_MQTT_URL is not set: it says which broker is told, such as mqtt://user:password@broker:1883."
NO_PAHO = "MQTT needs paho-mqtt, which is not installed: python -m pip install -r requirements-mqtt.txt"


class Command(BaseCommand):
    help = "Tells sightings and alerts to an MQTT broker until it is stopped."
    requires_system_checks = []

    def handle(self, **options):
        address = env.get("FACEPLATFORM_MQTT_URL")
        if address is None:
            raise CommandError(NOT_SET)
        if not is_paho_here():
            raise CommandError(NO_PAHO)
        from recognition.mqtt.publisher import Publisher  # it imports paho

        stop = StopFlag()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, stop.set)
        Publisher(address, settings.MQTT_PREFIX).run(stop)
        logger.info("stopped")


def is_paho_here() -> bool:
    return importlib.util.find_spec("paho") is not None
