"""Bounds what a connection may cost: how many there are, how long headers take, how slowly an answer is taken.

uvicorn bounds none of it. What this uses of its protocol although it is not documented is held by
tests/faceplatform/web/test_connections.py.
"""

import asyncio
import contextlib
import fcntl
import sys
import termios
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from faceplatform.web.proxies import is_in, read_address

SENTENCES = {
    400: "The request is no valid HTTP.",
    408: "The request's headers came too slowly. Send it again over a faster connection.",
    431: "The request's headers are larger than 16 KiB. Delete this site's cookies, or send fewer headers.",
    501: "Only Transfer-Encoding: chunked is known here.",
    503: "Too many connections are open. Try again in a few seconds.",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """most: connections in all. an_address: of one address (IPv6: of one network of 64 bits); 0 for no limit. exempt: addresses
    without a limit of their own, besides loopback. headers: seconds until a request's headers are there. answer: seconds in which
    a client has to take `answer * rate` bytes of what waits for it.
    """

    most: int
    an_address: int
    exempt: Sequence[IPv4Network | IPv6Network] = ()
    headers: float = 15
    answer: float = 30
    rate: float = 2048


class Connections:
    """All connections of a web process. If there are too many, the one that has been without a request for longest gives way."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._all: set[Connection] = set()
        self._of: dict[str, set[Connection]] = {}

    def admit(self, connection: "Connection") -> bool:
        """Counts it. False if there is no room, because all others are busy with requests."""
        key, bounds = self._key(connection), self.bounds
        if key and not _has_room(self._of.get(key, set()), bounds.an_address):
            return False
        if not _has_room(self._all, bounds.most):
            return False
        self._all.add(connection)
        if key:
            self._of.setdefault(key, set()).add(connection)
        return True

    def drop(self, connection: "Connection") -> None:
        self._all.discard(connection)
        key = self._key(connection)
        if key in self._of:
            self._of[key].discard(connection)
            if not self._of[key]:
                del self._of[key]

    def _key(self, connection: "Connection") -> str:
        """Whose the connection is; empty where nobody is counted by himself."""
        address = read_address(connection.client[0]) if connection.client else None
        if not self.bounds.an_address or address is None or address.is_loopback or is_in(address, self.bounds.exempt):
            return ""
        return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else str(address)


def _has_room(group: "set[Connection]", most: int) -> bool:
    if len(group) < most:
        return True
    idle = min((each for each in group if each.awaits_request), key=lambda each: each.since, default=None)
    if idle is not None:
        idle.give_way()
    return idle is not None


@dataclass(frozen=True, slots=True)
class _Unread:
    """How much of an answer the client had not taken, and when."""

    at: float
    size: int


class Connection(H11Protocol):
    """One connection. since: when it began, or the last request was answered, or the first byte of the next one came."""

    def __init__(self, *arguments: Any, connections: Connections, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._siblings, self._bounds = connections, connections.bounds
        self._unread: _Unread | None = None
        self._has_begun = True  # a new connection has to bring a request in the time that its headers have
        self.since = time.monotonic()

    @property
    def awaits_request(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    # --- Called by the transport ---
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not self._siblings.admit(self):
            self._refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:
        self._siblings.drop(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._has_begun:
            self._has_begun, self.since = True, time.monotonic()
        super().data_received(data)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._note_unread(time.monotonic())

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread = None

    # --- Called by uvicorn's own protocol ---
    def on_response_complete(self) -> None:
        self._has_begun, self.since = False, time.monotonic()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Called while what is wrong with the request is being handled; it says which status it is."""
        self._refuse(getattr(sys.exc_info()[1], "error_status_hint", 400))

    # --- Called by the server and by Connections ---
    def check(self, now: float) -> None:
        """Ends it if its client took too long. To be called every second or so."""
        if self.transport.is_closing():
            if self._unread is None:
                self._note_unread(now)
        elif self.awaits_request and self._has_begun and now - self.since > self._bounds.headers:
            self.give_way()
        if self._unread is not None and now - self._unread.at > self._bounds.answer:
            self._check_unread(now)

    def give_way(self) -> None:
        """Closes it; with a word, if a part of a request has come."""
        self._siblings.drop(self)
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        elif self.conn.trailing_data[0]:
            self._refuse(408)
        else:
            self.transport.close()

    def _check_unread(self, now: float) -> None:
        before = self._unread.size if self._unread else 0
        if before - self._left() < self._bounds.answer * self._bounds.rate:
            self.transport.abort()
        else:
            self._note_unread(now)

    def _note_unread(self, now: float) -> None:
        self._unread = _Unread(now, self._left())

    def _left(self) -> int:
        """Bytes that the client has not taken: those here, and those that the kernel keeps, which may be megabytes."""
        held = array("i", [0])
        with contextlib.suppress(OSError, ValueError):
            fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, held)
        return self.transport.get_write_buffer_size() + held[0]

    def _refuse(self, status: int) -> None:
        """Answers in place of the application, as far as nothing was answered yet, and closes the connection."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            phrase, text = HTTPStatus(status).phrase, SENTENCES.get(status, SENTENCES[400]).encode()
            lines = [f"HTTP/1.1 {status} {phrase}", "Content-Type: text/plain; charset=utf-8"]
            lines += [f"Content-Length: {len(text)}", "Connection: close"]
            lines += ["Retry-After: 5"] if status == 503 else []
            self.transport.write("\r\n".join([*lines, "", ""]).encode() + text)
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()
