"""One LISTEN connection per process: whoever waits for a NOTIFY subscribes here instead of polling or connecting.

A notification may be lost while the connection is being re-established. Subscribers therefore check the table first and
again after each wait, and never wait longer than FALLBACK_POLL at a time. For arrivals the hub does these checks.
"""

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection as django_connection
from psycopg import sql

logger = logging.getLogger(__name__)
FALLBACK_POLL = 1.5  # seconds
RETRY_PAUSE = 1.0  # seconds


class Hub:
    """Listens on fixed channels in its own thread, which starts with the first subscription.

    arrived: for each channel with arrivals, SQL that selects those of the keys %s (text[]) which have arrived.
    """

    def __init__(self, channels: tuple[str, ...], *, arrived: dict[str, str] | None = None) -> None:
        self.channels = channels
        self._arrived_queries = arrived or {}
        self._lock = threading.Lock()
        self._subscriptions: dict[str, set[threading.Event]] = {channel: set() for channel in channels}
        self._arrivals: dict[str, dict[str, set[Arrival]]] = {channel: {} for channel in channels}
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    @contextmanager
    def subscription(self, channel: str) -> Iterator["Subscription"]:
        """Subscribe first, then check the table, then wait: so nothing is missed in between."""
        event = threading.Event()
        with self._lock:
            self._subscriptions[channel].add(event)
            self._start()
        try:
            yield Subscription(event)
        finally:
            with self._lock:
                self._subscriptions[channel].discard(event)

    def arrival(self, channel: str, keys: Iterable[str]) -> "Arrival":
        """Waits for a notification with each of `keys` as its payload. Check the table after this call; close it in the end."""
        arrival = Arrival(self, channel, keys)
        with self._lock:
            for key in arrival.missing:
                self._arrivals[channel].setdefault(key, set()).add(arrival)
            self._start()
        return arrival

    def forget(self, arrival: "Arrival") -> None:
        """Called by `Arrival.close`."""
        with self._lock:
            for key in arrival.keys:
                waiting = self._arrivals[arrival.channel].get(key, set())
                waiting.discard(arrival)
                if not waiting:
                    self._arrivals[arrival.channel].pop(key, None)

    def close(self) -> None:
        """Closes the connection; the next subscription opens it again."""
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
                with psycopg.connect(**connection_parameters(), autocommit=True) as connection:
                    for channel in self.channels:
                        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                    for channel in self.channels:
                        self._wake(channel)
                    self._listen(connection)
            except psycopg.Error as error:
                logger.debug("listening again in %s s: %s", RETRY_PAUSE, error)
                time.sleep(RETRY_PAUSE)

    def _listen(self, connection: psycopg.Connection) -> None:
        while not self._closed.is_set():
            for notification in connection.notifies(timeout=FALLBACK_POLL):
                self._wake(notification.channel, notification.payload)
            self._check_table(connection)

    def _check_table(self, connection: psycopg.Connection) -> None:
        """Looks up everything that is waited for, in case a notification was lost."""
        for channel, query in self._arrived_queries.items():
            with self._lock:
                keys = list(self._arrivals[channel])
            if keys:
                for (key,) in connection.execute(query, [keys]):
                    self._wake(channel, key)

    def _wake(self, channel: str, key: str = "") -> None:
        with self._lock:
            arrivals = list(self._arrivals[channel].get(key, ()))
            for event in self._subscriptions[channel]:
                event.set()
        for arrival in arrivals:
            arrival.note(key)


class Subscription:
    """Made by `Hub.subscription`."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def wait(self, timeout: float = FALLBACK_POLL) -> None:
        """Returns at the next notification, after `timeout` seconds, or after FALLBACK_POLL."""
        self._event.wait(max(0.0, min(timeout, FALLBACK_POLL)))
        self._event.clear()

    def was_notified(self) -> bool:
        """Whether a notification came since this was last asked, or waited for. Does not wait."""
        was_set = self._event.is_set()
        self._event.clear()
        return was_set


class Arrival:
    """A wait for several keys: `future` is done once all have arrived. A thread waits with `wait`, a coroutine on `future`.

    Made by `Hub.arrival`.
    """

    def __init__(self, hub: Hub, channel: str, keys: Iterable[str]) -> None:
        self.hub = hub
        self.channel = channel
        self.keys = frozenset(keys)
        self.missing = set(self.keys)
        self.future: Future[None] = Future()
        self.future.set_running_or_notify_cancel()  # so that a coroutine that gives up cannot cancel it during `note`
        self._lock = threading.Lock()

    def note(self, key: str) -> None:
        """Called by the hub when `key` has arrived."""
        with self._lock:
            self.missing.discard(key)
            if not self.missing and not self.future.done():
                self.future.set_result(None)

    def wait(self, seconds: float) -> bool:
        """Blocks this thread for at most `seconds`. Returns whether all keys have arrived."""
        try:
            self.future.result(max(seconds, 0.0))
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        self.hub.forget(self)


def connection_parameters() -> dict[str, Any]:
    """For a connection beside Django's own ones."""
    parameters = django_connection.get_connection_params()
    return {name: value for name, value in parameters.items() if name not in ("pool", "cursor_factory", "context")}
