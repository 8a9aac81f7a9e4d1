"""Decides about a request's body before Django writes it to disk: from whom, how large, how many at once, how slowly.

A body of up to ANONYMOUS bytes is received from anybody. A larger one is received only from a known caller, up to the limit of
its address (body_kinds.py), and only while there is room among those that are being received.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError
from django.utils.translation import gettext_noop

from faceplatform.database.trouble import unavailable
from faceplatform.errors import DomainError, InvalidInput, NotAllowed, TooManyAttempts, Unavailable
from faceplatform.web.asgi_types import Application, Message, Receive, Scope, Send
from faceplatform.web.body_kinds import ANONYMOUS, IMPORT, Address, address_of
from faceplatform.web.body_refusals import refuse

Headers = dict[bytes, bytes]

# Told in English; body_refusals.py tells them again in the language of the browser.
NO_KEY = gettext_noop("Sign in, or send a valid API key: without one, a request may have 64 KiB at most.")
TWO_LENGTHS = gettext_noop("Send either Content-Length or Transfer-Encoding, not both.")
TOO_SLOW = gettext_noop("The request's body came too slowly. Send it again over a faster connection.")
TOO_MANY_OF_YOURS = gettext_noop(
    "You are sending many large uploads at once. Wait until some of them have arrived, then try again."
)
TOO_MANY = gettext_noop("Too many large uploads are being received. Try again in a few seconds.")
TOO_LARGE = gettext_noop("The request is larger than %(size)s. Send fewer or smaller photos at once.")
SECONDS_KNOWN, MOST_KNOWN = 60, 10_000
PARTS = 4  # a user may take one of so many parts of the room


@dataclass(frozen=True, slots=True)
class Patience:
    """silence: seconds without any data. rate: bytes a second, on average, once the first `silence` seconds are over.
    room: seconds a large body waits until others have been received.
    """

    silence: float = 30
    rate: float = 2048
    room: float = 5


class KnownCallers:
    """Whose valid key or session a request carries. Those found valid are not looked up again for a minute: this only
    decides whether the body is received; the view looks for itself.

    look_up: reads the database, and gives the user's id or nothing; called in one of `threads`.
    """

    def __init__(self, look_up: Callable[[Headers], str], threads: Executor) -> None:
        self._look_up, self._threads = look_up, threads
        self._until: dict[bytes, tuple[float, str]] = {}

    async def __call__(self, headers: Headers) -> str:
        marks = [headers.get(name, b"") for name in (b"authorization", b"x-api-key", b"cookie")]
        mark, now = hashlib.sha256(repr(marks).encode()).digest(), time.monotonic()
        if not any(marks):
            return ""
        until, user = self._until.get(mark, (0.0, ""))
        if until > now:
            return user
        known = await asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, headers)
        if known:
            if len(self._until) >= MOST_KNOWN:
                self._until.clear()
            self._until[mark] = now + SECONDS_KNOWN, known
        return known


@dataclass(frozen=True, slots=True)
class Held:
    """Bodies, and their bytes."""

    bodies: int
    size: int


class Room:
    """How many large bodies are received at a time, and how many bytes they may have together. One user may have one body,
    however large, and otherwise a quarter of the whole.
    """

    def __init__(self, bodies: int, size: int) -> None:
        self.bodies, self.size, self._whole = bodies, size, size
        self._share = Held(max(bodies // PARTS, 1), size // PARTS)
        self._held: dict[str, Held] = {}
        self._change = asyncio.Condition()

    @asynccontextmanager
    async def taken(self, user: str, size: int, seconds: float) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Gives a function that ends the stay; it ends with the block at the latest. Raises Unavailable, or TooManyAttempts if
        the user has too much of the room, after `seconds`.
        """
        size, staying = min(size, self._whole), True

        async def leave() -> None:
            nonlocal staying
            if staying:
                staying = False
                await self._add(user, 1, size)

        try:
            async with asyncio.timeout(seconds), self._change:
                await self._change.wait_for(lambda: self.bodies > 0 and self.size >= size and self._may(user, size))
                self._count(user, -1, -size)
        except TimeoutError as error:
            if not self._may(user, size):
                raise TooManyAttempts(TOO_MANY_OF_YOURS, code="too_many_uploads", retry_after=5) from error
            raise Unavailable(TOO_MANY, code="too_many_uploads", retry_after=5) from error
        try:
            yield leave
        finally:
            await leave()

    def _may(self, user: str, size: int) -> bool:
        held = self._held.get(user)
        return held is None or (held.bodies < self._share.bodies and held.size + size <= self._share.size)

    async def _add(self, user: str, bodies: int, size: int) -> None:
        async with self._change:
            self._count(user, bodies, size)
            self._change.notify_all()

    def _count(self, user: str, bodies: int, size: int) -> None:
        """Adds to what is free, and takes from what the user holds."""
        self.bodies, self.size = self.bodies + bodies, self.size + size
        held = self._held.pop(user, Held(0, 0))
        if held.bodies > bodies:
            self._held[user] = Held(held.bodies - bodies, held.size - size)


@dataclass(frozen=True, slots=True)
class Rooms:
    """Imports have a room of their own, so that they leave the photos theirs."""

    photos: Room
    imports: Room

    def of(self, address: Address) -> Room:
        return self.imports if address.limit == IMPORT else self.photos


def limit_body(
    application: Application,
    known: Callable[[Headers], Awaitable[str]],
    rooms: Rooms,
    patience: Patience = Patience(),
) -> Application:
    """Wraps an ASGI application."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        chunked, length = b"transfer-encoding" in headers, headers.get(b"content-length")
        if not chunked and (length is None or not int(length)):
            return await application(scope, receive, send)
        try:
            if chunked and length is not None:
                raise InvalidInput(TWO_LENGTHS)
            if not chunked and int(length or 0) <= ANONYMOUS:
                await _receive_all(application, scope, send, Body(receive, ANONYMOUS, patience))
                return
            address = address_of(scope)
            size = address.limit if chunked else int(length or 0)
            user = await _check(address, size, headers, known)
            if not user and chunked:  # how much it is, only its end tells
                await _receive_all(
                    application, scope, send, Body(receive, ANONYMOUS, patience, beyond=_no_key(address))
                )
                return
            if not user:
                raise _no_key(address)
            async with rooms.of(address).taken(user, size, patience.room) as leave:
                await _receive_all(application, scope, send, Body(receive, address.limit, patience, leave))
        except DomainError as error:
            await refuse(scope, receive, send, error)

    return limited


async def _check(address: Address, size: int, headers: Headers, known: Callable[[Headers], Awaitable[str]]) -> str:
    """Whose request it is; empty if nobody is known."""
    if size > address.limit:
        raise _too_large(address.limit)
    try:
        return await known(headers)
    except (DatabaseError, InterfaceError) as error:
        if (problem := unavailable(error)) is None:
            raise
        raise problem from error


async def _receive_all(application: Application, scope: Scope, send: Send, body: "Body") -> None:
    """For the application, a refused body is a client that disconnected. Raises the refusal."""
    await application(scope, body.receive, send)
    if body.refusal:
        raise body.refusal


class Body:
    """A body as it comes: counted, and refused if it is too large or too slow.

    at_end: called once it is there. beyond: the refusal of a body that is larger than `limit`.
    """

    def __init__(
        self,
        receive: Receive,
        limit: int,
        patience: Patience,
        at_end: Callable[[], Awaitable[None]] | None = None,
        beyond: DomainError | None = None,
    ) -> None:
        self.refusal: DomainError | None = None
        self._beyond = beyond or _too_large(limit)
        self._receive, self._limit, self._patience, self._at_end = receive, limit, patience, at_end
        self._size, self._started, self._ended = 0, time.monotonic(), False

    async def receive(self) -> Message:
        if self.refusal:
            return {"type": "http.disconnect"}
        if self._ended:
            return await self._receive()
        try:
            async with asyncio.timeout(self._patience.silence):
                message = await self._receive()
        except TimeoutError:
            return self._refuse(_too_slow())
        self._size += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self._size > self._limit:
            return self._refuse(self._beyond)
        if not self._ended and self._is_slow():
            return self._refuse(_too_slow())
        if self._ended and self._at_end:
            await self._at_end()
        return message

    def _is_slow(self) -> bool:
        seconds = time.monotonic() - self._started
        return seconds > self._patience.silence and self._size < seconds * self._patience.rate

    def _refuse(self, error: DomainError) -> Message:
        self.refusal = error
        return {"type": "http.disconnect"}


def _too_large(limit: int) -> DomainError:
    size = f"{limit / 2**20:.0f} MiB" if limit >= 2**20 else f"{limit // 1024} KiB"
    return InvalidInput(TOO_LARGE % {"size": size}, code="too_large", status=413)


def _no_key(address: Address) -> DomainError:
    return NotAllowed(NO_KEY, code="not_authenticated", status=401 if address.view else 403)


def _too_slow() -> DomainError:
    return InvalidInput(TOO_SLOW, code="too_slow", status=408)
