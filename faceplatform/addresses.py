"""Which machines the platform may call when a person tells it an address: a camera's, a webhook's.

A name is resolved once, every address of it is checked, and only a checked one is connected to: a name that answers
otherwise the second time gains nothing. Private networks are allowed, since cameras stand in them. Special ranges are
not (RFC 6890 and the IANA registries of special-purpose addresses; metadata services of clouds).
"""

import socket
from collections.abc import Iterable, Sequence
from http.client import HTTPConnection, HTTPSConnection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from ssl import SSLContext

from django.utils.translation import gettext_noop

Network = IPv4Network | IPv6Network


def _networks(text: str) -> list[Network]:
    return [ip_network(each) for each in text.split()]


# The first that holds an address says what it is.
SPECIAL: dict[str, list[Network]] = {
    gettext_noop("metadata"): _networks(
        "169.254.169.254/32 100.100.100.200/32 168.63.129.16/32 fd00:ec2::/64 fd20:ce::/64"
    ),
    gettext_noop("loopback"): _networks("127.0.0.0/8 ::1/128"),
    gettext_noop("unspecified"): _networks("0.0.0.0/8 ::/128"),
    gettext_noop("link-local"): _networks("169.254.0.0/16 fe80::/10 fec0::/10"),
    gettext_noop("multicast"): _networks("224.0.0.0/4 ff00::/8"),
    gettext_noop("reserved"): _networks(
        "192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 "
        "2001::/23 2001:db8::/32 3fff::/20 "
        # all that is neither global unicast (2000::/3) nor unique local (fc00::/7)
        "::/3 4000::/2 8000::/2 c000::/3 e000::/4 f000::/5 f800::/6 fe00::/7"
    ),
}
PRIVATE = _networks("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7")
# What stands for an IPv4 address, and how many bits follow that address: mapped, NAT64 (RFC 6052), 6to4 (RFC 3056).
WRAPPED = [(IPv6Network("::ffff:0:0/96"), 0), (IPv6Network("64:ff9b::/96"), 0), (IPv6Network("2002::/16"), 80)]

# Told in English, also by programs without Django; pages tell them again in their language (languages.retold).
OUTSIDE = gettext_noop("%(host)s is outside the networks that are allowed, which the platform may not call.")
SPECIAL_ADDRESS = gettext_noop("%(host)s is a %(kind)s address, which the platform may not call.")


class AddressNotAllowed(Exception):
    """An address that nobody may have the platform call. `kind`: loopback, link-local …, or other. Its text can be shown."""

    def __init__(self, host: str, kind: str) -> None:
        super().__init__((OUTSIDE if kind == "other" else SPECIAL_ADDRESS) % {"host": host, "kind": kind})
        self.host = host
        self.kind = kind


def networks_of(parts: Iterable[str]) -> list[Network]:
    """What FACEPLATFORM_OUTGOING_NETWORKS allows, for `checked_addresses`. parts: each public, private, or a network."""
    named = {"public": _public(), "private": PRIVATE}
    return [network for part in parts for network in named.get(part) or [ip_network(part)]]


def _public() -> list[Network]:
    """All addresses but the private ones; the special ranges are refused all the same."""
    left = _networks("0.0.0.0/0 ::/0")
    for private in PRIVATE:
        left = [part for network in left for part in _without(network, private)]
    return left


def _without(network: Network, part: Network) -> list[Network]:
    return list(network.address_exclude(part)) if _inside(part, network) else [network]  # type: ignore[arg-type]


def checked_addresses(host: str, port: int, allowed_networks: Sequence[Network] | None = None) -> list[str]:
    """The addresses of a name, all of them allowed, in the order to try.

    allowed_networks: None allows all but the special ranges. Otherwise only what they hold; a special range opens only to
    a network inside of it (127.0.0.1/32 opens this one address, 0.0.0.0/0 none).
    Raises AddressNotAllowed if one address is not allowed, and socket.gaierror (an OSError) if there is no such name.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (ValueError, OverflowError):  # no text for a name (UnicodeError, NUL), no number for a port
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    for address in addresses:
        if kind := refused_kind(address, allowed_networks):
            raise AddressNotAllowed(host, kind)
    return addresses


def refused_kind(address: str, allowed_networks: Sequence[Network] | None = None) -> str | None:
    """Why an address, as text, may not be called (see AddressNotAllowed), or None."""
    plain = _unwrapped(ip_address(address))
    allowing = [network for network in allowed_networks or () if plain in network]
    for kind, ranges in SPECIAL.items():
        for special in ranges:
            if plain in special:
                return None if any(_inside(network, special) for network in allowing) else kind
    return None if allowing or allowed_networks is None else "other"


def connect(
    host: str, port: int, *, allowed_networks: Sequence[Network] | None = None, timeout: float | None = None
) -> socket.socket:
    """A connection to the first checked address that answers. timeout: seconds, shared out among the addresses; then for each
    read and write.

    Raises as `checked_addresses`, and OSError where no address answers.
    """
    failure = OSError("the name has no address")
    addresses = checked_addresses(host, port, allowed_networks)
    for address in addresses:
        try:
            sock = socket.create_connection((address, port), timeout and timeout / len(addresses))
        except OSError as error:
            failure = error
        else:
            sock.settimeout(timeout)
            return sock
    raise failure


class CheckedHTTPConnection(HTTPConnection):
    """http.client's connection to a checked address. It follows no redirects, and no proxy of the environment."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout: float,
        allowed_networks: Sequence[Network] | None = None,
    ) -> None:
        super().__init__(host, port, timeout=timeout)
        self.allowed_networks = allowed_networks

    def connect(self) -> None:
        self.sock = connect(self.host, self.port, allowed_networks=self.allowed_networks, timeout=self.timeout)


class CheckedHTTPSConnection(HTTPSConnection, CheckedHTTPConnection):
    """The same with TLS, for the name that was asked for (HTTPSConnection.connect() wraps what the class above opens)."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout: float,
        allowed_networks: Sequence[Network] | None = None,
        context: SSLContext | None = None,
    ) -> None:
        HTTPSConnection.__init__(self, host, port, timeout=timeout, context=context)
        self.allowed_networks = allowed_networks


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    for network, after in WRAPPED:
        if address in network:
            return IPv4Address(int(address) >> after & 0xFFFFFFFF)
    return address


def _inside(network: Network, special: Network) -> bool:
    return network.version == special.version and network.subnet_of(special)  # type: ignore[arg-type]
