"""A connection to an MQTT broker. The one module that imports paho-mqtt, which is optional.

MQTT 5, because only there a broker says that it refused a message.
"""

import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import MQTT_ERR_SUCCESS, Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from faceplatform.setting_values import BrokerAddress

ANSWER_SECONDS = 10.0  # in which the broker has to take a connection, or all messages of a call
KEEP_ALIVE = 30  # seconds
AT_LEAST_ONCE = 1


class Lost(Exception):
    """There is no connection, or no longer one. The text is for the log: it holds no password."""


@dataclass(frozen=True, slots=True)
class Message:
    """retain: whether the broker keeps it for those who come later; an empty one it forgets."""

    topic: str
    payload: str
    retain: bool = False


class Connection:
    """Of no more use once Lost was raised: paho would send again by itself what has no answer, and so would we."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._answers: queue.SimpleQueue[tuple[int | None, ReasonCode]] = queue.SimpleQueue()
        client.on_connect = lambda client, data, flags, reason, properties: self._answers.put((0, reason))
        client.on_publish = lambda client, data, number, reason, properties: self._answers.put((number, reason))
        client.on_disconnect = lambda client, data, flags, reason, properties: self._answers.put((None, reason))

    def open(self, address: BrokerAddress) -> None:
        try:
            self._client.connect(address.host, address.port, keepalive=KEEP_ALIVE)
        except (OSError, UnicodeError) as error:
            raise Lost(f"it cannot be reached ({getattr(error, 'strerror', None) or type(error).__name__})") from None
        self._client.loop_start()
        _, reason = self._answer(time.monotonic() + ANSWER_SECONDS)
        if reason.is_failure:
            raise Lost(f"it refuses us ({reason})")

    def deliver(self, messages: Sequence[Message]) -> Iterator[tuple[int, bool]]:
        """Yields the index of each message when the broker has answered, and whether it took it.

        Raises Lost if it does not answer for all of them.
        """
        self.check()
        index_of = {self._send(message): index for index, message in enumerate(messages)}
        deadline = time.monotonic() + ANSWER_SECONDS
        for _ in messages:
            number, reason = self._answer(deadline)
            yield index_of[number], not reason.is_failure

    def check(self) -> None:
        """Raises Lost if the connection has ended."""
        if not self._answers.empty():  # between two calls nothing else is waited for
            _, reason = self._answers.get()
            raise Lost(f"the connection has ended ({reason})")

    def _send(self, message: Message) -> int:
        sent = self._client.publish(message.topic, message.payload, qos=AT_LEAST_ONCE, retain=message.retain)
        if sent.rc != MQTT_ERR_SUCCESS:
            raise Lost("the connection has ended")
        return sent.mid

    def _answer(self, deadline: float) -> tuple[int, ReasonCode]:
        try:
            number, reason = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise Lost(f"no answer within {ANSWER_SECONDS:.0f} s") from None
        if number is None:
            raise Lost(f"the connection has ended ({reason})")
        return number, reason


@contextmanager
def connected(address: BrokerAddress, *, client_id: str, will: Message) -> Iterator[Connection]:
    """will: what the broker tells when we are gone without a word. Raises Lost."""
    options: dict[str, Any] = {"client_id": client_id, "protocol": MQTTProtocolVersion.MQTTv5}
    client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False, **options)
    client.will_set(will.topic, will.payload, qos=AT_LEAST_ONCE, retain=will.retain)
    if address.user:
        client.username_pw_set(address.user, address.password)
    if address.tls:
        client.tls_set()
    connection = Connection(client)
    try:
        connection.open(address)
        yield connection
    finally:
        client.disconnect()
        client.loop_stop()
