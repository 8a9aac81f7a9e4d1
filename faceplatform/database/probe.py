"""A question to the database on a connection of its own, whose answer nobody waits for longer than a second."""

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

import psycopg
from django.conf import settings

from faceplatform.database import postgres
from faceplatform.database.listen import connection_parameters

PATIENCE = 1.0  # seconds
CONNECT_SECONDS = 2  # the least that libpq knows
T = TypeVar("T")


class Probe(Generic[T]):
    """The thread that asks may hang where the network swallows everything; the callers do not, and it is asked no more then."""

    def __init__(self, question: Callable[[psycopg.Connection], T]):
        self._question = question
        self._lock = threading.Lock()
        self._asked: Future[T] | None = None
        self._since = 0.0
        self._connection: psycopg.Connection | None = None

    def answer(self) -> T:
        """Callers at the same time share one answer. Raises psycopg.Error, PostgresError, OSError or TimeoutError."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked, self._since = Future(), time.monotonic()
                threading.Thread(target=self._ask, args=(self._asked,), name="database-probe", daemon=True).start()
            asked, until = self._asked, self._since + PATIENCE
        return asked.result(max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """Ends the connection; the next question opens it again."""
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _ask(self, asked: Future[T]) -> None:
        try:
            asked.set_result(self._answer())
        except Exception as error:  # noqa: BLE001 - it is raised again in the callers
            asked.set_exception(error)

    def _answer(self) -> T:
        """Asks again where the connection was an old one: the server may have been started anew since."""
        is_old = self._connection is not None
        try:
            return self._question(self._connected())
        except psycopg.Error as error:
            self.close()
            if not is_old or not isinstance(error, psycopg.OperationalError) or error.sqlstate == "57014":
                raise
        return self._answer()

    def _connected(self) -> psycopg.Connection:
        if self._connection is None:
            if settings.EMBEDDED_POSTGRES:
                postgres.ensure_running(settings.DATA_DIR)
            parameters = connection_parameters() | {"connect_timeout": CONNECT_SECONDS}
            connection = psycopg.connect(**parameters, autocommit=True)
            # In ms; it says that it is busy before we give up.
            connection.execute(f"SET statement_timeout = {PATIENCE * 700:.0f}")
            self._connection = connection
        return self._connection
