"""Whose word is taken for where a request comes from: that of the proxies in FACEPLATFORM_TRUSTED_PROXIES, nobody else's.

The server's own handling of such headers is off (`--no-proxy-headers`); this is the one place that reads them.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http.response import HttpResponseBase

from faceplatform.web.middleware import GetResponse, PlatformRequest

Address = IPv4Address | IPv6Address
FORWARDED_FOR, FORWARDED_PROTO = "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"


class TrustedProxyMiddleware:
    """Sets REMOTE_ADDR to the client's address, and drops what a peer that is not trusted says about it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PlatformRequest) -> HttpResponseBase:
        peer = read_address(request.META.get("REMOTE_ADDR", ""))
        trusted: list[IPv4Network | IPv6Network] = settings.TRUSTED_PROXIES
        chain = request.META.pop(FORWARDED_FOR, "")
        request.was_forwarded = bool(chain)
        if peer is not None and is_in(peer, trusted):
            request.META["REMOTE_ADDR"] = str(_client(peer, chain.split(","), trusted))
        elif trusted:
            request.META.pop(FORWARDED_PROTO, None)
        return self.get_response(request)


def client_of(peer: str, chain: str, trusted: Sequence[IPv4Network | IPv6Network]) -> Address | None:
    """The client's address, by what the peer says if it is trusted; None if the peer has none. chain: X-Forwarded-For."""
    address = read_address(peer)
    if address is None or not is_in(address, trusted):
        return address
    return _client(address, chain.split(","), trusted)


def _client(peer: Address, chain: list[str], trusted: Sequence[IPv4Network | IPv6Network]) -> Address:
    """The rightmost address that is no trusted proxy's: what stands left of it, its sender may have made up.

    Where the chain ends or cannot be read, it is the last trusted one.
    """
    client = peer
    for text in reversed(chain):
        address = read_address(text)
        if address is None:
            break
        client = address
        if not is_in(address, trusted):
            break
    return client


def read_address(text: str) -> Address | None:
    """An address, perhaps with a port or a zone; IPv4 in the clothes of IPv6 as IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_in(address: Address, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)
