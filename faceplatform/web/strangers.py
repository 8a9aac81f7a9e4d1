"""How often strangers may ask: requests without a valid session or key are counted for each client's address.

A page is the work of some milliseconds, and anybody may ask for the one to sign in. Without this, one who asks for it again and
again has the whole processor, and all who have signed in wait for him. It is decided before Django sees the request.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

from django.db import DatabaseError, InterfaceError
from django.utils.translation import gettext as _

from faceplatform.errors import TooManyAttempts
from faceplatform.web.asgi_types import Application, Receive, Scope, Send
from faceplatform.web.body_limit import Headers
from faceplatform.web.body_refusals import refuse
from faceplatform.web.proxies import client_of

FREE = ("/static/", "/health/", "/metrics")  # cheap, with threads of their own
BURST = 10  # seconds whose requests may come at once
MOST_ADDRESSES = 10_000


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Strangers:
    """rate: requests a second of one address (IPv6: of one network of 64 bits), BURST times as many at once; 0: no limit."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def may(self, address: str) -> bool:
        """Takes one request of the address. False if it has none left."""
        now, most = time.monotonic(), self.rate * BURST
        bucket = self._buckets.pop(address, None) or _Bucket(most, now)
        bucket.left, bucket.at = min(most, bucket.left + (now - bucket.at) * self.rate), now
        self._buckets[address] = bucket
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True


def limit_strangers(
    application: Application,
    known: Callable[[Headers], Awaitable[str]],
    strangers: Strangers,
    trusted: Sequence[IPv4Network | IPv6Network] = (),
) -> Application:
    """Wraps an ASGI application. known: whose valid key or session the headers carry; empty for a stranger's."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not strangers.rate or scope["path"].startswith(FREE):
            return await application(scope, receive, send)
        headers = dict(scope["headers"])
        if await _is_known(known, headers) or strangers.may(_address(scope, headers, trusted)):
            return await application(scope, receive, send)
        text = _("Too many requests came from your address. Wait some seconds, then try again.")
        await refuse(scope, receive, send, TooManyAttempts(text, code="too_many_requests", retry_after=BURST // 2))

    return limited


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
