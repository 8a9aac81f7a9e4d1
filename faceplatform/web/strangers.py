"""How often strangers may ask: requests without a valid session or key are counted for each client's address.

A page is the work of some milliseconds, and anybody may ask for the one to sign in. Without this, one who asks for it again and
again has the whole processor, and all who have signed in wait for him. It is decided before Django sees the request.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpResponse
from django.utils.translation import gettext_noop

from faceplatform.errors import TooManyAttempts
from faceplatform.web.asgi_types import Application, Receive, Scope, Send
from faceplatform.web.body_limit import Headers
from faceplatform.web.body_refusals import kind_of, response_of, send_refusal
from faceplatform.web.proxies import client_of

FREE = ("/static/", "/health/", "/metrics")  # cheap, with threads of their own
REFUSAL = TooManyAttempts(
    gettext_noop("Too many requests came from your address. Wait some seconds, then try again."),
    code="too_many_requests",
    retry_after=5,
)
AT_ONCE = 10  # requests that are answered at once
PATIENCE = 5  # seconds that the others wait for their turn at most
MOST_ADDRESSES = 10_000


class Strangers:
    """rate: requests a second of one address (IPv6: of one network of 64 bits); 0: no limit. More of them wait for their turn, so
    that a crowd that comes at once has the processor no more often than one that does not. pause: seconds before a refusal, so
    that who asks again at once does so seldom.
    """

    def __init__(self, rate: float, pause: float = 1) -> None:
        self.rate, self.pause = rate, pause
        self._turns: OrderedDict[str, float] = OrderedDict()  # when the next request of an address may come

    def wait_of(self, address: str) -> float | None:
        """Takes a turn; seconds until it comes. None if too many wait already (GCRA, ITU-T I.371)."""
        now = time.monotonic()
        turn = max(self._turns.pop(address, now), now)
        taken = turn - now < PATIENCE
        self._turns[address] = turn + 1 / self.rate if taken else turn
        if len(self._turns) > MOST_ADDRESSES:
            self._turns.popitem(last=False)
        return max(turn - now - AT_ONCE / self.rate, 0.0) if taken else None


def limit_strangers(
    application: Application,
    known: Callable[[Headers], Awaitable[str]],
    strangers: Strangers,
    trusted: Sequence[IPv4Network | IPv6Network] = (),
    cookies: Sequence[str] = ("sessionid",),
) -> Application:
    """Wraps an ASGI application. known: whose valid key or session the headers carry; empty for a stranger's; asked only where
    they carry a key or one of `cookies`.
    """
    marks = [f"{cookie}=".encode() for cookie in cookies]
    refusals: dict[Any, HttpResponse] = {}  # made once: they must cost less than what they refuse

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not strangers.rate or scope["path"].startswith(FREE):
            return await application(scope, receive, send)
        headers = dict(scope["headers"])
        if _has_mark(headers, marks) and await _is_known(known, headers):
            return await application(scope, receive, send)
        wait = strangers.wait_of(_address(scope, headers, trusted))
        if wait is not None:
            await asyncio.sleep(wait)
            return await application(scope, receive, send)
        kind = kind_of(scope)
        if kind not in refusals:
            refusals[kind] = response_of(scope, REFUSAL, request_id="-")
        await asyncio.sleep(strangers.pause)
        await send_refusal(scope, receive, send, refusals[kind])

    return limited


def _has_mark(headers: Headers, cookies: Sequence[bytes]) -> bool:
    cookie = headers.get(b"cookie", b"")
    return b"authorization" in headers or b"x-api-key" in headers or any(mark in cookie for mark in cookies)


async def _is_known(known: Callable[[Headers], Awaitable[str]], headers: Headers) -> bool:
    try:
        return bool(await known(headers))
    except (DatabaseError, InterfaceError):
        return True  # the view says what is the matter with the database


def _address(scope: Scope, headers: Headers, trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    peer, _port = scope.get("client") or ("", 0)
    address = client_of(peer, headers.get(b"x-forwarded-for", b"").decode("latin-1"), trusted)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)
