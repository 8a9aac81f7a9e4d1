"""Where the key may be sent: to the scheme, host and port of the address that was given to Client, and nowhere else."""

from __future__ import annotations

from http.client import HTTPMessage
from typing import IO
from urllib.parse import urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request

from faceplatform_client.errors import AddressRefused

PORTS = {"http": 80, "https": 443}
REFUSED = "The platform at {here} names an address of another server, {there}. The key was not sent there. "
HINT = (
    "If that is the platform's right address, give it to Client. Behind a proxy with https, set FACEPLATFORM_HTTPS=on."
)
NO_ADDRESS = "{url} is not an address of a platform. Give one such as https://faces.example.org"
MOVED = "The platform answers {method} with a redirect to {there}. Give Client the address that it redirects to."


class SameOrigin(HTTPRedirectHandler):
    """Follows a redirect of a GET within the origin, and refuses any other."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        there = urljoin(req.full_url, newurl)
        require_same_origin(req.full_url, there)
        if req.get_method() != "GET":  # urllib would repeat a POST as a GET, without what was posted
            raise AddressRefused(MOVED.format(method=req.get_method(), there=there))
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def require_same_origin(here: str, there: str) -> None:
    """Raises AddressRefused unless both have the same scheme, host and port, and ValueError if `here` is no web address."""
    origin = _origin(here)
    if origin is None:
        raise ValueError(NO_ADDRESS.format(url=here))
    if _origin(there) != origin:
        raise AddressRefused((REFUSED + HINT).format(here=_shown(here), there=_shown(there)))


def _origin(url: str) -> tuple[str, str, int] | None:
    """None if it is no address on the web, or has a user name."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port


def _shown(url: str) -> str:
    """The address without its query."""
    return url.partition("?")[0][:200]
