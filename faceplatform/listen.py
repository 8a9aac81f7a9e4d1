"""One LISTEN connection a process: whoever waits for a NOTIFY subscribes here instead of polling or connecting.

A notification may be lost while the connection is being made again, so waiters look at the table first and again
after each wait, and never wait longer than FALLBACK_POLL at a time.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection as django_connection
from psycopg import sql

logger = logging.getLogger(__name__)
FALLBACK_POLL = 1.5  # seconds
RETRY_PAUSE = 1.0  # seconds


class Hub:
    """Listens on fixed channels in a thread of its own, started with the first subscription."""

    def __init__(self, channels: tuple[str, ...]):
        self.channels = channels
        self._lock = threading.Lock()
        self._subscriptions: dict[str, set[threading.Event]] = {channel: set() for channel in channels}
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    @contextmanager
    def subscription(self, channel: str) -> Iterator["Subscription"]:
        """Subscribe first, look at the table, then wait: so nothing is missed in between."""
        event = threading.Event()
        with self._lock:
            self._subscriptions[channel].add(event)
            self._start()
        try:
            yield Subscription(event)
        finally:
            with self._lock:
                self._subscriptions[channel].discard(event)

    def close(self) -> None:
        """Ends the connection; the next subscription opens it again."""
        if self._thread is not None:
            self._closed.set()
            self._thread.join()
            self._thread = None

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._closed.clear()
            self._thread = threading.Thread(target=self._listen_forever, name="listen-hub", daemon=True)
            self._thread.start()

    def _listen_forever(self) -> None:
        while not self._closed.is_set():
            try:
                with psycopg.connect(**_connection_parameters(), autocommit=True) as connection:
                    for channel in self.channels:
                        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                    self._wake(*self.channels)
                    while not self._closed.is_set():
                        for notification in connection.notifies(timeout=FALLBACK_POLL):
                            self._wake(notification.channel)
            except psycopg.Error as error:
                logger.debug("listening again in %s s: %s", RETRY_PAUSE, error)
                time.sleep(RETRY_PAUSE)

    def _wake(self, *channels: str) -> None:
        with self._lock:
            for channel in channels:
                for event in self._subscriptions[channel]:
                    event.set()


class Subscription:
    def __init__(self, event: threading.Event):
        self._event = event

    def wait(self, timeout: float = FALLBACK_POLL) -> None:
        """Returns at the next notification, after `timeout` seconds, or after FALLBACK_POLL."""
        self._event.wait(max(0.0, min(timeout, FALLBACK_POLL)))
        self._event.clear()


def _connection_parameters() -> dict:
    parameters = django_connection.get_connection_params()
    return {name: value for name, value in parameters.items() if name not in ("pool", "cursor_factory", "context")}
