"""Who may read the figures: they name nobody, but tell how busy the platform is, and which packs it uses."""

from ipaddress import IPv4Address, IPv6Address

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from faceplatform.errors import NotAllowed
from faceplatform.web.proxies import read_address

FORWARDED = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO", "HTTP_X_REAL_IP")
TOKEN_NEEDED = "The figures are for the monitoring system. Send FACEPLATFORM_METRICS_TOKEN as Authorization: Bearer …"
ONLY_HERE = "The figures can be read on the platform's own machine alone. For others, set FACEPLATFORM_METRICS_TOKEN and send it."


def require_monitor(request: HttpRequest) -> None:
    """Raises NotAllowed. A request that a proxy on this machine passed on does not come from this machine."""
    if settings.METRICS_TOKEN:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not constant_time_compare(token.strip(), settings.METRICS_TOKEN):
            raise NotAllowed(TOKEN_NEEDED)
    elif not _is_here(read_address(request.META.get("REMOTE_ADDR", ""))) or _was_forwarded(request):
        raise NotAllowed(ONLY_HERE)


def _is_here(address: IPv4Address | IPv6Address | None) -> bool:
    return address is not None and address.is_loopback


def _was_forwarded(request: HttpRequest) -> bool:
    return getattr(request, "was_forwarded", False) or any(name in request.META for name in FORWARDED)
