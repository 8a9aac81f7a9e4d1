"""Publishes what waits for the MQTT broker, and keeps there who is in view of each camera.

A row of the outbox (MqttMessage) is deleted once the broker has confirmed it (QoS 1). So a broker that is away loses nothing. A
message comes twice only if the connection ended before its confirmation arrived, or this process before the row was deleted.
"""

import logging
import time
from collections.abc import Sequence

from django.db import InterfaceError, OperationalError, connection

from faceplatform.database.listen import Hub, Subscription
from faceplatform.database.trouble import described
from faceplatform.processes.stop_flag import StopFlag
from faceplatform.setting_values import BrokerAddress
from recognition.alerts.models import Alert, MqttMessage, MqttTopic
from recognition.alerts.outbox import MQTT
from recognition.cameras.models import Sighting
from recognition.mqtt.broker import Connection, Lost, Message, connected
from recognition.mqtt.topics import DISCOVERY, Topics

logger = logging.getLogger(__name__)
AT_ONCE = 100  # messages that wait for confirmation together
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds before the broker is tried again
DATABASE_PAUSE = 1.0
REFUSED_FOR = 60.0  # seconds before what the broker refused is tried again
hub = Hub((MQTT,))


class Publisher:
    """One a prefix: a second one with the same takes the connection from the first."""

    def __init__(self, address: BrokerAddress, prefix: str) -> None:
        self._address = address
        self._topics = Topics(prefix)
        self._confirmed: set[int] = set()  # messages whose rows are still there
        self._after, self._again_at = 0, 0.0  # ids up to this one wait until then, for the broker refuses some of them
        self._kept: dict[str, str] = {}  # topic → what the broker keeps there, as far as this connection knows
        self._pause = SHORTEST_PAUSE

    def run(self, stop: StopFlag) -> None:
        """Works until `stop` is set, whatever becomes of the broker and the database."""
        while not stop.is_set():
            try:
                self._serve(stop)
            except Lost as error:
                logger.warning("the MQTT broker: %s; trying again in %.0f s", error, self._pause)
                stop.wait(self._pause)
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
        connection.close()

    def _serve(self, stop: StopFlag) -> None:
        """Raises Lost."""
        will, client_id = self._topics.available(online=False), f"{self._topics.prefix}-publisher"
        with (
            hub.subscription(MQTT) as news,
            connected(self._address, client_id=client_id, will=will) as broker,
        ):
            self._kept, self._after = {}, 0  # a broker that was started again may have forgotten everything
            logger.info("connected to the MQTT broker")
            while not stop.is_set():
                broker.check()
                self._look(broker, news, stop)
            self._deliver(broker, [will])

    def _look(self, broker: Connection, news: Subscription, stop: StopFlag) -> None:
        """Publishes what is new, and waits for more. Raises Lost."""
        try:
            self.keep(broker)
            more = self.tell(broker)
        except (OperationalError, InterfaceError) as error:
            logger.warning("trying again in %.0f s: %s", DATABASE_PAUSE, described(error))
            connection.close()
            stop.wait(DATABASE_PAUSE)
        else:
            self._pause = SHORTEST_PAUSE
            if not more:
                news.wait()

    def tell(self, broker: Connection) -> bool:
        """Publishes messages that wait, the oldest first. Returns whether there may be more."""
        self._forget_confirmed()
        if self._after and time.monotonic() > self._again_at:
            self._after = 0
        rows = _waiting(after=self._after)
        refused = 0
        for index, taken in broker.deliver([self._topics.told(row) for row in rows]):
            if taken:
                self._confirmed.add(rows[index].pk)
            refused += not taken
        if refused:  # those behind them have their turn first
            logger.error("the MQTT broker refuses %d messages: may this user write there?", refused)
            self._after, self._again_at = rows[-1].pk, time.monotonic() + REFUSED_FOR
        self._forget_confirmed()
        return len(rows) == AT_ONCE

    def keep(self, broker: Connection) -> None:
        """Brings what the broker keeps up to date, and empties what is of cameras and galleries that are gone."""
        wanted = self._topics.kept()
        if new := wanted.keys() - self._kept.keys():  # written down first, so that none is forgotten
            MqttTopic.objects.bulk_create([MqttTopic(topic=topic) for topic in new], ignore_conflicts=True)
        changed = [topic for topic, payload in wanted.items() if self._kept.get(topic) != payload]
        self._deliver(broker, [Message(topic, wanted[topic], retain=True) for topic in changed])
        gone = list(MqttTopic.objects.exclude(topic__in=wanted).values_list("topic", flat=True))
        for announced in (True, False):  # Home Assistant forgets a device first: it takes nothing empty for a state
            emptied = [topic for topic in gone if topic.startswith(DISCOVERY) == announced]
            self._deliver(broker, [Message(topic, "", retain=True) for topic in emptied])
        MqttTopic.objects.filter(topic__in=gone).delete()
        self._kept = wanted

    def _deliver(self, broker: Connection, messages: Sequence[Message]) -> None:
        refused = [messages[index].topic for index, taken in broker.deliver(messages) if not taken]
        if refused:
            logger.error("the MQTT broker refuses %s: may this user write there?", ", ".join(refused[:3]))

    def _forget_confirmed(self) -> None:
        MqttMessage.objects.filter(pk__in=self._confirmed).delete()
        self._confirmed.clear()


def _waiting(*, after: int) -> list[MqttMessage]:
    """The oldest messages, with all that is told of them."""
    found = MqttMessage.objects.filter(gallery__deletes_at=None, pk__gt=after).order_by("id")[:AT_ONCE]
    rows = list(found)
    sightings = Sighting.objects.with_people().with_faces().in_bulk([row.sighting_id for row in rows])
    alerts = Alert.objects.with_all().in_bulk([row.alert_id for row in rows])
    for row in rows:
        row.sighting = sightings.get(row.sighting_id) if row.sighting_id else None
        row.alert = alerts.get(row.alert_id) if row.alert_id else None
    return [row for row in rows if row.sighting or row.alert]  # else it was deleted meanwhile
